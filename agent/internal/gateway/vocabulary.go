package gateway

import (
	"regexp"
	"strings"
	"unicode"
)

// What Kong and Lua quote of their own, and not of the configuration: it may stand in a message whatever it is about. A word that is not
// here is taken for a value.
var vocabulary = wordSet(
	// Lua's, as its parser names them.
	`and break do else elseif end false for function goto if in local nil not or repeat return then true until while eof name string number`,
	// Kong's types.
	`boolean integer array set map record foreign table null`,
	// Its kinds, and the fields that refer to them.
	`service services route routes consumer consumers consumer_group consumer_groups plugin plugins upstream upstreams target targets
	certificate certificates sni snis ca_certificate ca_certificates vault vaults key keys key_set key_sets filter_chain filter_chains acl acls
	keyauth_credentials basicauth_credentials hmacauth_credentials jwt_secrets oauth2_credentials mtls_auth_credentials workspace `+
		`workspaces parameters`,
	// Fields of its core kinds.
	`id name tags config protocols enabled instance_name ordering created_at updated_at cert cert_alt key_alt cert_digest username custom_id
	password secret algorithm rsa_public_key client_id client_secret client_type hash_secret redirect_uris group ttl kid jwk pem `+
		`private_key public_key
	prefix description filters`,
)

func wordSet(lists ...string) map[string]bool {
	set := map[string]bool{}
	for _, list := range lists {
		for _, word := range strings.Fields(list) {
			set[word] = true
		}
	}
	return set
}

var (
	// chunk is how Lua calls a piece of code that has no file: by the code.
	chunk    = regexp.MustCompile(`(?s)\[string ".*?"\]:(\d+):`)
	chunkEnd = regexp.MustCompile(`"\]:\d+:`)
	// near is the end of what Lua says of a syntax error: the token that it stumbled over, in quotes that the token may hold as well.
	near = regexp.MustCompile(`(?s)\bnear '(.*)'\s*$`)
	// between parts a quoted text into words.
	between = func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }
)

// signs is how many characters of punctuation alone may be shown: Lua's longest operator has three.
const signs = 3

// known reports whether a quoted text is made of Kong's and Lua's words only, and of the names of fields.
func (s scrubber) known(text string) bool {
	list := strings.FieldsFunc(text, between)
	if len(list) == 0 {
		return len([]rune(text)) <= signs
	}
	for _, word := range list {
		if !vocabulary[word] && !s.fields[word] {
			return false
		}
	}
	// A password may be made of words; what holds words together in a name does not stand elsewhere.
	return strings.Trim(text, "<>") == strings.Join(list, ".")
}

// lua takes the code out of what Lua says of it. Its words and the line stay.
func (s scrubber) lua(message string) string {
	at := chunk.FindStringSubmatchIndex(message)
	switch {
	case at == nil:
	case len(chunkEnd.FindAllString(message, 2)) > 1: // the code holds what ends it, and nobody can tell where it does
		return message[:at[0]] + `[string "..."]: ` + redacted
	default:
		message = message[:at[0]] + `[string "..."]:` + message[at[2]:at[3]] + ":" + message[at[1]:]
	}
	if at := near.FindStringSubmatchIndex(message); at != nil && !s.known(message[at[2]:at[3]]) {
		message = message[:at[0]] + "near " + redacted
	}
	return message
}
