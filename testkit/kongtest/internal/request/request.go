// Package request is a request as Kong's router sees it: with a normal path, and headers under their names in Lua.
package request

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Request is what routes are matched with.
type Request struct {
	Method     string
	Host       string // as sent, in its case, without the port
	Path       string // normal
	Query      string // as sent, with the question mark if there is one
	Port       int    // of the Host header, or the listener's
	HTTPS      bool
	SNI        string
	Header     http.Header
	SourceIP   string
	OwnIP      string
	SourcePort int
}

// Of reads a request that a server received.
func Of(r *http.Request) Request {
	target := r.RequestURI
	if !strings.HasPrefix(target, "/") { // in absolute form, or none in a test
		target = r.URL.RequestURI()
	}
	a := Request{Method: r.Method, Header: r.Header}
	path, query, has := strings.Cut(target, "?")
	a.Path = Normal(path)
	if has {
		a.Query = "?" + query
	}
	if at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		a.Port, a.OwnIP = at.Port, at.IP.String()
	}
	host, port, hasPort := SplitPort(r.Host)
	if a.Host = host; hasPort {
		a.Port = port
	}
	if r.TLS != nil {
		a.HTTPS, a.SNI = true, r.TLS.ServerName
	}
	if ip, port, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		a.SourceIP = ip
		a.SourcePort, _ = strconv.Atoi(port)
	}
	return a
}

// SplitPort splits a host at its first colon when a number follows, in the Host header and in a route's hosts alike.
func SplitPort(host string) (string, int, bool) {
	name, after, has := strings.Cut(host, ":")
	if port, err := strconv.ParseUint(after, 10, 32); has && err == nil {
		return name, int(port), true
	}
	return host, 0, false
}

// Values returns the values of a header by its name in Kong's router: in lower case, with underscores. A header that was sent under just
// that name wins over one with dashes.
func (a Request) Values(name string) []string {
	for _, wanted := range []string{name, strings.ReplaceAll(name, "_", "-")} {
		for sent, values := range a.Header {
			if strings.EqualFold(sent, wanted) {
				return values
			}
		}
	}
	return nil
}

// Protocol is http or https.
func (a Request) Protocol() string {
	if a.HTTPS {
		return "https"
	}
	return "http"
}

// Fields are the fields that any route of a router looks at.
type Fields struct {
	Path, Host bool
	Headers    map[string]bool
}

// Readable reports whether the router can take the request. When one route looks at a field that is not UTF-8, no route is found.
func (f Fields) Readable(a Request) bool {
	if f.Path && !utf8.ValidString(a.Path) || f.Host && !utf8.ValidString(a.Host) {
		return false
	}
	for name := range f.Headers {
		for _, value := range a.Values(name) {
			if !utf8.ValidString(value) {
				return false
			}
		}
	}
	return true
}
