package compile

import (
	"slices"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/kong/document"
	"github.com/silverback-gateway/silverback/kong/proof"
)

// What the control plane keeps for its own proof of serving.
const (
	reservedName = proof.RouteName
	reservedHost = proof.Host
)

// topPriority is that of the reserved route under the router flavor expressions, as written.
var topPriority = strconv.Itoa(proof.TopPriority)

// view gives the checks of whole entities a look at their members.
type view []document.Key

func (v view) get(name string) *document.Node {
	for _, k := range v {
		if k.Name == name && k.Value.Kind != document.Null {
			return k.Value
		}
	}
	return nil
}

func (v view) text(name string) string {
	if n := v.get(name); n != nil {
		return n.Text
	}
	return ""
}

func (v view) texts(name string) []string {
	var out []string
	if n := v.get(name); n != nil {
		for _, e := range n.Items {
			out = append(out, e.Text)
		}
	}
	return out
}

// check looks at an entity as a whole. Of bad fields, which have a problem each, nothing is concluded.
func (p *parser) check(s subject, n *document.Node, keys []document.Key, bad map[string]bool) {
	v := view(keys)
	if id := v.get("id"); id != nil && proof.Reserved(s.kind.Name, strings.ToLower(id.Text), "") && !bad["id"] {
		p.problem(s, id.Pos, "id", BadValue, "the id %s is reserved", quote(id.Text))
	}
	switch s.kind.Name {
	case "services":
		p.checkService(s, v, bad)
	case "routes":
		p.checkRoute(s, n, v, bad)
	case "upstreams":
		p.checkUpstream(s, n, v, bad)
	case "cloned_plugins":
		if ref := v.get("ref"); ref != nil && !bad["ref"] && !knownPlugin(ref.Text) {
			p.problem(s, ref.Pos, "ref", DanglingReference, "there is no plugin %s to clone%s", quote(ref.Text), didYouMean(ref.Text, pluginNames()))
		}
	}
}

func isStream(protocol string) bool {
	return slices.Contains([]string{"tcp", "tls", "udp", "tls_passthrough"}, protocol)
}

func (p *parser) checkService(s subject, v view, bad map[string]bool) {
	if bad["protocol"] {
		return
	}
	protocol := v.text("protocol")
	if path := v.get("path"); path != nil && isStream(protocol) && protocol != "tls_passthrough" {
		p.problem(s, path.Pos, "path", BadValue, "a service of the protocol %s has no path", protocol)
	}
	if protocol != "https" && protocol != "tls" && protocol != "wss" && protocol != "grpcs" && protocol != "tls_passthrough" {
		for _, name := range []string{"client_certificate", "tls_verify", "tls_verify_depth", "ca_certificates"} {
			if f := v.get(name); f != nil {
				p.problem(s, f.Pos, name, BadValue, "the field needs a protocol with TLS")
			}
		}
	}
}

func (p *parser) checkUpstream(s subject, n *document.Node, v view, bad map[string]bool) {
	need := func(input, field string) {
		if v.get(field) == nil && !bad[input] && !mistyped(s.kind, v, field) {
			p.problem(s, n.Pos, field, MissingField, "%s: %s needs this field", input, v.text(input))
		}
	}
	for _, in := range []struct{ input, prefix string }{{"hash_on", "hash_on_"}, {"hash_fallback", "hash_fallback_"}} {
		switch v.text(in.input) {
		case "header":
			need(in.input, in.prefix+"header")
		case "query_arg":
			need(in.input, in.prefix+"query_arg")
		case "uri_capture":
			need(in.input, in.prefix+"uri_capture")
		case "cookie":
			need(in.input, "hash_on_cookie")
		}
	}
}

func (p *parser) checkRoute(s subject, n *document.Node, v view, bad map[string]bool) {
	for i, host := range v.texts("hosts") {
		if name, _, _ := strings.Cut(host, ":"); strings.EqualFold(strings.TrimSuffix(name, "."), reservedHost) {
			p.problem(s, v.get("hosts").Items[i].Pos, "hosts", BadValue, "the host %s is reserved", reservedHost)
		}
	}
	if strings.Contains(v.text("expression"), reservedHost) {
		p.problem(s, v.get("expression").Pos, "expression", BadValue, "the host %s is reserved", reservedHost)
	}
	if priority := v.get("priority"); priority != nil && v.get("expression") != nil && !bad["priority"] && priority.Text == topPriority {
		p.problem(s, priority.Pos, "priority", BadValue,
			"the priority %s is reserved: the route %s of the control plane has it, by which gateways prove what they serve; take a lower one",
			topPriority, reservedName)
	}
	if headers := v.get("headers"); headers != nil {
		for _, h := range headers.Keys {
			switch {
			case strings.EqualFold(h.Name, "host"):
				p.problem(s, h.Pos, "headers", BadValue, "match the Host header with the field hosts")
			case strings.HasSuffix(h.Name, "\n") && len(h.Name) > 1:
				p.warn(s, h.Pos, "headers", BadValue, "the name of a header ends in a line feed, which none of a request has, so that it never matches")
			case h.Name == "" || strings.ContainsFunc(h.Name, func(c rune) bool { return c <= ' ' || c == ':' || c >= 0x7f }):
				p.problem(s, h.Pos, "headers", BadValue, "not the name of a header")
			}
		}
	}
	if code := v.get("https_redirect_status_code"); code != nil && !bad["https_redirect_status_code"] &&
		!slices.Contains([]string{"426", "301", "302", "307", "308"}, code.Text) {
		p.problem(s, code.Pos, "https_redirect_status_code", BadValue, "must be one of 426, 301, 302, 307, 308")
	}
	classic := []string{"hosts", "paths", "methods", "headers", "snis", "sources", "destinations"}
	if v.get("expression") != nil {
		for _, name := range classic {
			if f := v.get(name); f != nil {
				p.problem(s, f.Pos, name, BadValue, "an expression excludes the field; keep one of the two")
			}
		}
		return
	}
	if !bad["protocols"] {
		p.checkProtocols(s, n, v, bad)
	}
}

// checkProtocols checks what a route may and must match on, by its protocols.
func (p *parser) checkProtocols(s subject, n *document.Node, v view, bad map[string]bool) {
	protocols := v.texts("protocols")
	if v.get("protocols") == nil {
		protocols = []string{"http", "https"}
	}
	families := map[string]string{
		"http": "http", "https": "http", "ws": "ws", "wss": "ws", "grpc": "grpc", "grpcs": "grpc",
		"tcp": "stream", "tls": "stream", "udp": "stream", "tls_passthrough": "passthrough",
	}
	has := func(protocol string) bool { return slices.Contains(protocols, protocol) }
	for _, protocol := range protocols[min(1, len(protocols)):] {
		if families[protocol] != families[protocols[0]] {
			p.problem(s, v.get("protocols").Pos, "protocols", BadValue, "%s and %s cannot be mixed in one route", protocols[0], protocol)
			return
		}
	}
	if len(protocols) == 0 {
		p.problem(s, v.get("protocols").Pos, "protocols", BadValue, "must not be empty")
		return
	}
	forbid := func(why string, names ...string) {
		for _, name := range names {
			if f := v.get(name); f != nil && (f.Kind != document.List || len(f.Items) > 0) {
				p.problem(s, f.Pos, name, BadValue, "the field cannot be set %s", why)
			}
		}
	}
	need := func(names ...string) {
		for _, name := range names {
			if f := v.get(name); bad[name] || f != nil && (len(f.Items) > 0 || len(f.Keys) > 0) {
				return
			}
		}
		if slices.ContainsFunc(names, func(name string) bool { return mistyped(s.kind, v, name) }) {
			return
		}
		p.problem(s, n.Pos, "", MissingField, "a route of the protocol %s needs at least one of %s", protocols[0], strings.Join(names, ", "))
	}
	switch families[protocols[0]] {
	case "stream", "passthrough":
		forbid("with the protocols tcp, tls, udp and tls_passthrough", "hosts", "paths", "methods", "headers")
		if has("tls_passthrough") {
			if len(v.texts("snis")) == 0 && !bad["snis"] && !mistyped(s.kind, v, "snis") {
				p.problem(s, n.Pos, "snis", MissingField, "a route of the protocol tls_passthrough needs snis")
			}
			return
		}
		if !has("tls") {
			forbid("without the protocol tls", "snis")
		}
		need("sources", "destinations", "snis")
	case "grpc":
		if strip := v.get("strip_path"); strip != nil && strip.Kind == document.Bool && strip.Text == "true" {
			p.problem(s, strip.Pos, "strip_path", BadValue, "a route of the protocol grpc cannot strip the path")
		}
		forbid("with the protocols grpc and grpcs", "methods", "sources", "destinations")
		if !has("grpcs") {
			forbid("without the protocol grpcs", "snis")
		}
		need("hosts", "headers", "paths", "snis")
	default:
		forbid("with the protocols http and https", "sources", "destinations")
		criteria := []string{"hosts", "methods", "headers", "paths"}
		if has("https") || has("wss") {
			need(append(criteria, "snis")...)
			return
		}
		forbid("without the protocol https", "snis")
		need(criteria...)
	}
}
