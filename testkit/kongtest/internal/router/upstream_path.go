package router

import (
	"net"
	"net/url"
	"strings"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/request"
)

// UpstreamPath joins a service's path and what a route leaves of the request's.
// The flavors that compile routes to expressions know path_handling v0 alone,
// whatever the route says. The path is normal; strip is how much of it goes, in
// bytes from its beginning, wherever a regular expression matched.
func UpstreamPath(base, path string, stripPath bool, strip int) string {
	if base == "" {
		base = "/"
	}
	directory := strings.HasSuffix(base, "/")
	if !stripPath {
		switch {
		case directory:
			return base + strings.TrimPrefix(path, "/")
		case path == "/":
			return base
		}
		return base + path
	}
	if strip == 0 {
		strip = 1 // nothing matched a path: the slash goes
	}
	rest := withoutDots(path[min(strip, len(path)):])
	switch bare := strings.TrimSuffix(base, "/"); {
	case rest != "":
		return bare + "/" + strings.TrimPrefix(rest, "/")
	case base == "/":
		return "/"
	case len(path) > 1 && strings.HasSuffix(path, "/"):
		return bare + "/"
	case directory && path == "/":
		return base
	default:
		return bare
	}
}

// withoutDots keeps a prefix in the middle of a segment from making "..".
func withoutDots(rest string) string {
	switch {
	case rest == "." || rest == "..":
		return ""
	case strings.HasPrefix(rest, "./"):
		return rest[2:]
	}
	return strings.TrimPrefix(rest, "../")
}

// UpstreamURL is where a request goes. Its path is written as Kong writes it and
// the query as the client did, a bare question mark included.
func UpstreamURL(scheme, address, path, query string) *url.URL {
	u := &url.URL{Scheme: scheme, Host: address, Path: path, RawPath: request.Escaped(path), ForceQuery: query == "?"}
	u.RawQuery = strings.TrimPrefix(query, "?")
	if plain, err := url.PathUnescape(u.RawPath); err == nil {
		u.Path = plain
	}
	return u
}

// HostHeader returns the Host header of a request to the upstream.
func HostHeader(to *Route, address, scheme, requested string) string {
	if to.PreserveHost {
		return requested
	}
	if host, port, err := net.SplitHostPort(address); err == nil {
		if scheme == "http" && port == "80" || scheme == "https" && port == "443" {
			return host
		}
	}
	return address
}
