package kongtest

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

// asked is what routes are matched with: a request as Kong's router sees it.
type asked struct {
	method     string
	host       string // as written, in its case, without the port
	path       string // normal
	query      string // as written, with the question mark if there is one
	port       int    // of the Host header, or the listener's
	https      bool
	sni        string
	header     http.Header
	sourceIP   string
	ownIP      string
	sourcePort int
}

func askedOf(r *http.Request) asked {
	target := r.RequestURI
	if !strings.HasPrefix(target, "/") { // in absolute form, or none in a test
		target = r.URL.RequestURI()
	}
	a := asked{method: r.Method, header: r.Header}
	path, query, has := strings.Cut(target, "?")
	a.path = normalPath(path)
	if has {
		a.query = "?" + query
	}
	if at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		a.port, a.ownIP = at.Port, at.IP.String()
	}
	host, port, hasPort := splitPort(r.Host)
	if a.host = host; hasPort {
		a.port = port
	}
	if r.TLS != nil {
		a.https, a.sni = true, r.TLS.ServerName
	}
	if ip, port, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		a.sourceIP = ip
		a.sourcePort, _ = strconv.Atoi(port)
	}
	return a
}

// splitPort takes what follows the first colon for a port when it is a number,
// in the Host header and in a route's hosts alike.
func splitPort(host string) (string, int, bool) {
	name, after, has := strings.Cut(host, ":")
	if port, err := strconv.ParseUint(after, 10, 32); has && err == nil {
		return name, int(port), true
	}
	return host, 0, false
}

// values are those of a header, by the name in which Kong's router keeps it: in
// lower case with underscores. A header that was sent in just that name wins over
// one with dashes.
func (a asked) values(name string) []string {
	for _, wanted := range []string{name, strings.ReplaceAll(name, "_", "-")} {
		for sent, values := range a.header {
			if strings.EqualFold(sent, wanted) {
				return values
			}
		}
	}
	return nil
}

// fields are those that any route of a router looks at.
type fields struct {
	path, host bool
	headers    map[string]bool
}

// readable reports whether the router can take the request: as soon as one route
// looks at a field which is not UTF-8, no route is found.
func (f fields) readable(a asked) bool {
	if f.path && !utf8.ValidString(a.path) || f.host && !utf8.ValidString(a.host) {
		return false
	}
	for name := range f.headers {
		for _, value := range a.values(name) {
			if !utf8.ValidString(value) {
				return false
			}
		}
	}
	return true
}
