package compile

import (
	"crypto/sha1" //nolint:gosec // Kong's choice: what gateways compare passwords with
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/kong/document"
)

// A gateway hashes the passwords of basic-auth and, with hash_secret, the secrets of oauth2, and adds the digests of CA certificates.
// _transform: false turns that off for a whole configuration. A group may mix sources with and without it. If one entity holds a hash, the
// group's configuration says _transform: false, and the compiler transforms the others.

// hashed reports whether an entity holds a hash where a gateway would make one.
func (p *parser) hashed(s subject, keys []document.Key) bool {
	v := view(keys)
	switch s.kind.Name {
	case "basicauth_credentials":
		password := v.get("password")
		if password == nil || !p.header.hashed && !p.header.hashedPasswords {
			return false
		}
		if _, err := hex.DecodeString(password.Text); err != nil || len(password.Text) != 2*sha1.Size {
			p.warn(s, password.Pos, "password", BadValue,
				"not a hash that Kong makes, of 40 hexadecimal digits, although the file says that passwords are hashed: nobody can log in with it")
		}
		return true
	case "oauth2_credentials":
		return p.header.hashed && v.get("client_secret") != nil && v.text("hash_secret") == "true"
	}
	return false
}

// transform does what gateways do not do under _transform: false. It returns the first hashed entity, or -1.
func (m *merger) transform() int {
	first := slices.IndexFunc(m.all, func(e resolved) bool { return e.hashed })
	if first < 0 {
		return first
	}
	digests := map[string]int{} // must be unique
	maps.Copy(digests, m.index("ca_certificates").unique["cert_digest"])
	for _, i := range m.ordered {
		e := &m.all[i]
		if e.hashed || e.vague || len(e.fragment.flaws[i-e.base]) > 0 {
			continue
		}
		switch e.kind.Name {
		case "basicauth_credentials":
			if password, ok := e.text("password"); ok {
				salted := sha1.Sum([]byte(password + m.value(e, "consumer"))) //nolint:gosec // as above
				e.replace(member("password", password), member("password", hex.EncodeToString(salted[:])))
			}
		case "oauth2_credentials":
			if strings.Contains(e.body, `"hash_secret":true,`) {
				h := &m.all[first]
				m.problem(i, e.place, "client_secret", Conflict, first, "the gateway should hash this secret, but it hashes nothing because "+
					printable(h.fragment.Documents[h.place.document])+":"+strconv.Itoa(h.place.line)+
					" of the group is hashed already (_transform: false); give the hash here too, with _transform: false")
			}
		case "ca_certificates":
			cert, _ := e.text("cert")
			block, _ := pem.Decode([]byte(cert))
			if _, has := e.text("cert_digest"); has || block == nil {
				continue
			}
			sum := sha256.Sum256(block.Bytes)
			digest := hex.EncodeToString(sum[:])
			if _, twice := digests[digest]; !twice {
				e.replace(member("cert", cert), member("cert", cert)+member("cert_digest", digest))
				digests[digest] = i
			}
		}
	}
	return first
}

func member(name, value string) string {
	return string(append(document.AppendString(append(document.AppendString(nil, name), ':'), value), ','))
}

// text returns a member of an entity that is a string.
func (e *resolved) text(name string) (string, bool) {
	members, _ := decode("{" + strings.TrimSuffix(e.body, ",") + "}")
	text, ok := members[name].(string)
	return text, ok
}

// replace replaces a member in a copy of the item, since fragments are shared.
func (e *resolved) replace(old, now string) {
	at := strings.Index(e.body, old) // as a value it would have its quotes escaped
	if at < 0 {
		return
	}
	own := *e.item
	own.body = e.body[:at] + now + e.body[at+len(old):]
	own.splices = make([]splice, len(e.splices))
	for i, s := range e.splices {
		if s.at >= at+len(old) {
			s.at += len(now) - len(old)
		}
		own.splices[i] = s
	}
	e.item = &own
}
