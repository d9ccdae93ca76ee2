package expression

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/request"
)

type fieldKind int

const (
	textField fieldKind = iota
	numberField
	addressField
)

// requestField is a field that an expression compares. It has no values when the request lacks it.
type requestField struct {
	kind fieldKind
	of   func(request.Request) []string
}

func single(of func(request.Request) string) func(request.Request) []string {
	return func(a request.Request) []string { return []string{of(a)} }
}

func some(of func(request.Request) string) func(request.Request) []string {
	return func(a request.Request) []string {
		if value := of(a); value != "" {
			return []string{value}
		}
		return nil
	}
}

var plainFields = map[string]*requestField{
	"net.protocol":           {textField, single(request.Request.Protocol)},
	"tls.sni":                {textField, some(func(a request.Request) string { return a.SNI })},
	"http.method":            {textField, single(func(a request.Request) string { return a.Method })},
	"http.host":              {textField, single(func(a request.Request) string { return a.Host })},
	"http.path":              {textField, single(func(a request.Request) string { return a.Path })},
	"http.path.segments.len": {numberField, single(func(a request.Request) string { return strconv.Itoa(len(segments(a.Path))) })},
	"net.src.port":           {numberField, single(func(a request.Request) string { return strconv.Itoa(a.SourcePort) })},
	"net.dst.port":           {numberField, single(func(a request.Request) string { return strconv.Itoa(a.Port) })},
	"net.src.ip":             {addressField, some(func(a request.Request) string { return a.SourceIP })},
	"net.dst.ip":             {addressField, some(func(a request.Request) string { return a.OwnIP })},
}

// fieldNamed returns nil for a field that HTTP routes do not have.
func fieldNamed(name string) *requestField {
	if f := plainFields[name]; f != nil {
		return f
	}
	if header, is := strings.CutPrefix(name, "http.headers."); is {
		return &requestField{textField, func(a request.Request) []string { return a.Values(request.LowerASCII(header)) }}
	}
	if query, is := strings.CutPrefix(name, "http.queries."); is {
		return &requestField{textField, func(a request.Request) []string {
			values, _ := url.ParseQuery(strings.TrimPrefix(a.Query, "?")) // keeps what can be read
			return values[query]
		}}
	}
	if at, is := strings.CutPrefix(name, "http.path.segments."); is {
		return &requestField{textField, func(a request.Request) []string { return segmentsAt(segments(a.Path), at) }}
	}
	return nil
}

// segments are the parts between slashes. Slashes at the end make none.
func segments(path string) []string {
	path = strings.TrimRight(strings.TrimPrefix(path, "/"), "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// segmentsAt returns one segment, counted from 0, or several joined: "1" or "1_3".
func segmentsAt(list []string, at string) []string {
	from, to, isRange := strings.Cut(at, "_")
	first, err := strconv.Atoi(from)
	if err != nil || first < 0 || first >= len(list) {
		return nil
	}
	last := first
	if isRange {
		if last, err = strconv.Atoi(to); err != nil || last <= first || last >= len(list) {
			return nil
		}
	}
	return []string{strings.Join(list[first:last+1], "/")}
}
