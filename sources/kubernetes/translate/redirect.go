package translate

import (
	"fmt"
	"slices"
	"strings"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
)

// defaultStatus is the status of a redirection that names none, as in the Gateway API.
const defaultStatus = 302

// wellKnown are the ports of schemes that a URL does not name.
var wellKnown = map[string]int{"http": 80, "https": 443}

// place is where filters apply: what is known of the requests that their route takes.
type place struct {
	path      string   // that is matched
	hosts     []string // none is any
	protocols []string // none is any
	listeners []*Listener
}

// at is the place of a route of an HTTPRoute. Annotations can give the route other hosts and protocols.
func (m httpRouteMaker) at(r *gateway.HTTPRoute, path string, hosts ...string) place {
	p := place{path: path, hosts: hosts, protocols: m.protocols, listeners: m.listeners[r]}
	if r.Annotations[annotationProtocols] != "" {
		p.protocols = nil
	}
	if r.Annotations[annotationHostAliases] != "" {
		p.hosts = nil
	}
	return p
}

// scheme is that of all requests, or empty.
func (p place) scheme() string {
	if len(p.protocols) == 1 {
		return p.protocols[0]
	}
	return ""
}

// host is that of all requests, or empty.
func (p place) host() string {
	if len(p.hosts) == 1 && !strings.Contains(p.hosts[0], "*") {
		return p.hosts[0]
	}
	return ""
}

// port is the one at which clients ask by a scheme, or 0 where several are possible. A gateway listens elsewhere: behind the ports of a
// Service.
func (p place) port(scheme string) int {
	protocol := gateway.HTTPProtocolType
	if scheme == "https" {
		protocol = gateway.HTTPSProtocolType
	}
	found := ports(p.listeners, protocol)
	slices.Sort(found)
	if found = slices.Compact(found); len(found) == 1 {
		return found[0]
	}
	return 0
}

// A redirection is the answer to a filter RequestRedirect. What is empty is as in the request.
type redirection struct {
	scheme, host string
	ports        map[string]string // by schemes, with the colon; a scheme that is missing has the port that the client named
	full         *string           // the path
	prefix       *string           // of the path, which with replaces
	with         string
	status       int
}

// redirectionOf reads a filter.
func redirectionOf(to *gateway.HTTPRequestRedirectFilter, at place) redirection {
	r := redirection{scheme: at.scheme(), host: at.host(), ports: map[string]string{}, status: defaultStatus}
	if to.Scheme != nil {
		r.scheme = *to.Scheme
	}
	if to.Hostname != nil {
		r.host = string(*to.Hostname)
	}
	if to.StatusCode != nil {
		r.status = *to.StatusCode
	}
	if modifier := to.Path; modifier != nil {
		switch modifier.Type {
		case gateway.FullPathHTTPPathModifier:
			r.full = modifier.ReplaceFullPath
		case gateway.PrefixMatchHTTPPathModifier:
			r.prefix = new(strings.TrimSuffix(at.path, "/"))
			if modifier.ReplacePrefixMatch != nil {
				r.with = strings.TrimSuffix(*modifier.ReplacePrefixMatch, "/")
			}
		}
	}
	for scheme, usual := range wellKnown {
		port := usual // of a scheme that the filter names
		switch {
		case to.Port != nil:
			port = int(*to.Port)
		case to.Scheme == nil:
			port = at.port(scheme)
		}
		switch port {
		case 0:
		case usual:
			r.ports[scheme] = ""
		default:
			r.ports[scheme] = fmt.Sprintf(":%d", port)
		}
	}
	return r
}

// base is the location without its path, or false when it depends on the request.
func (r redirection) base() (string, bool) {
	port, known := r.ports[r.scheme]
	return r.scheme + "://" + r.host + port, known && r.host != ""
}

// redirect answers with a redirection: by the plugin redirect, or by request-termination and a header, where the location does not depend
// on the request but for its whole path; else by Lua. The Lua is of post-function, which answers after authentication and limits, as the
// plugin redirect does; pre-function would answer before them.
func (f *filtered) redirect(to *gateway.HTTPRequestRedirectFilter, at place) {
	r := redirectionOf(to, at)
	base, known := r.base()
	config := declarative.Fields{"status_code": nil} // the plugin's default
	if to.StatusCode != nil {
		config["status_code"] = *to.StatusCode
	}
	switch {
	case !known || r.prefix != nil:
		f.others = append(f.others, declarative.Plugin{Name: "post-function", Config: declarative.Fields{"access": []string{r.lua()}}})
	case f.redirectPlugin:
		config["location"], config["keep_incoming_path"] = base, r.full == nil
		if r.full != nil {
			config["location"] = base + *r.full
		}
		f.others = append(f.others, declarative.Plugin{Name: "redirect", Config: config})
	default:
		path := at.path // Kong Ingress Controller gives that of the match
		if r.full != nil {
			path = *r.full
		}
		f.others = append(f.others, declarative.Plugin{Name: "request-termination", Config: config})
		headers := made(&f.response)
		headers.add = append(headers.add, headerText("Location", base+path))
	}
}

// lua is the code that answers, with the parts of the location that are known written out.
func (r redirection) lua() string {
	var code strings.Builder
	line := func(format string, values ...any) { fmt.Fprintf(&code, format+"\n", values...) }
	line("local request = kong.request")
	scheme, host := "request.get_forwarded_scheme()", "request.get_forwarded_host()"
	if r.scheme != "" {
		scheme = luaText(r.scheme)
	}
	if r.host != "" {
		host = luaText(r.host)
	}
	line("local scheme, host = %s, %s", scheme, host)
	r.luaPort(line)
	switch {
	case r.full != nil:
		line("local path = %s", luaText(*r.full))
	case r.prefix != nil:
		// The path is compared with routes in its normal form, in which some characters may not stand in a header.
		line("local path = %s .. request.get_path():sub(%d)", luaText(r.with), len(*r.prefix)+1)
		line(`path = path:gsub("[^%%w!$&'()*+,/:;=@%%[%%]_.~%%%%-]", function(c) return string.format("%%%%%%02X", c:byte()) end)`)
		line(`if path:sub(1, 1) ~= "/" then path = "/" .. path end`)
		line("local query = request.get_raw_query()")
		line(`if query ~= "" then path = path .. "?" .. query end`)
	default:
		line("local path = request.get_path_with_query()")
	}
	line(`return kong.response.exit(%d, "redirecting", { Location = scheme .. "://" .. host .. port .. path })`, r.status)
	return code.String()
}

// luaPort writes the line of the port.
func (r redirection) luaPort(line func(format string, values ...any)) {
	schemes := []string{"http", "https"}
	if r.scheme != "" {
		schemes = []string{r.scheme}
	}
	var known []string
	same := true
	for _, scheme := range schemes {
		if port, ok := r.ports[scheme]; ok {
			known = append(known, fmt.Sprintf("%s = %s", scheme, luaText(port)))
			same = same && port == r.ports[schemes[0]]
		}
	}
	named := `((request.get_header("host") or ""):match(":%d+$") or "")`
	switch {
	case len(known) == 0:
		line("local port = %s", named)
	case len(known) == len(schemes) && same:
		line("local port = %s", luaText(r.ports[schemes[0]]))
	default:
		line("local port = ({ %s })[scheme] or %s", strings.Join(known, ", "), named)
	}
}

// luaText is a text as a string of Lua.
func luaText(text string) string {
	var out strings.Builder
	out.WriteByte('"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			out.WriteByte('\\')
			out.WriteByte(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&out, `\%03d`, c)
		default:
			out.WriteByte(c)
		}
	}
	out.WriteByte('"')
	return out.String()
}
