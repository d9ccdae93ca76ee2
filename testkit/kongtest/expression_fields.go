package kongtest

import (
	"net/url"
	"strconv"
	"strings"
)

type fieldKind int

const (
	textField fieldKind = iota
	numberField
	addressField
)

// requestField is what an expression compares: its values in a request, none when the
// request has nothing of the kind.
type requestField struct {
	kind fieldKind
	of   func(asked) []string
}

func single(of func(asked) string) func(asked) []string {
	return func(a asked) []string { return []string{of(a)} }
}

func some(of func(asked) string) func(asked) []string {
	return func(a asked) []string {
		if value := of(a); value != "" {
			return []string{value}
		}
		return nil
	}
}

var plainFields = map[string]*requestField{
	"net.protocol":           {textField, single(asked.protocol)},
	"tls.sni":                {textField, some(func(a asked) string { return a.sni })},
	"http.method":            {textField, single(func(a asked) string { return a.method })},
	"http.host":              {textField, single(func(a asked) string { return a.host })},
	"http.path":              {textField, single(func(a asked) string { return a.path })},
	"http.path.segments.len": {numberField, single(func(a asked) string { return strconv.Itoa(len(segments(a.path))) })},
	"net.src.port":           {numberField, single(func(a asked) string { return strconv.Itoa(a.sourcePort) })},
	"net.dst.port":           {numberField, single(func(a asked) string { return strconv.Itoa(a.port) })},
	"net.src.ip":             {addressField, some(func(a asked) string { return a.sourceIP })},
	"net.dst.ip":             {addressField, some(func(a asked) string { return a.ownIP })},
}

// fieldNamed is nothing for a field that HTTP routes do not have.
func fieldNamed(name string) *requestField {
	if f := plainFields[name]; f != nil {
		return f
	}
	if header, is := strings.CutPrefix(name, "http.headers."); is {
		return &requestField{textField, func(a asked) []string { return a.values(lowerASCII(header)) }}
	}
	if query, is := strings.CutPrefix(name, "http.queries."); is {
		return &requestField{textField, func(a asked) []string {
			values, _ := url.ParseQuery(strings.TrimPrefix(a.query, "?")) // what can be read counts
			return values[query]
		}}
	}
	if at, is := strings.CutPrefix(name, "http.path.segments."); is {
		return &requestField{textField, func(a asked) []string { return segmentsAt(segments(a.path), at) }}
	}
	return nil
}

// segments are what stands between slashes; slashes at the end make none.
func segments(path string) []string {
	path = strings.TrimRight(strings.TrimPrefix(path, "/"), "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// segmentsAt picks one, counted from 0, or several joined: "1" or "1_3".
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
