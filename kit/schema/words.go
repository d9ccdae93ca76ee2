package schema

import (
	"maps"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The checks of single words. Each says what is wrong, without the word itself,
// or nothing.

func tag(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == ',' || r == '/' }) {
		return "invalid tag: want printable characters other than comma and slash"
	}
	return ""
}

func name(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool {
		return r < utf8.RuneSelf && !isLetter(byte(r)) && !isDigit(byte(r)) && !strings.ContainsRune(".-_~", r)
	}) {
		return "invalid value: the only accepted ascii characters are alphanumerics or ., -, _, and ~"
	}
	return ""
}

func headerName(s string) string {
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && !isDigit(c) && c != '-' && c != '_' {
			return "bad header name, allowed characters are A-Z, a-z, 0-9, '_', and '-'"
		}
	}
	return ""
}

// isAddress knows no zones, as Kong does not.
func isAddress(s string) bool {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	a, err := netip.ParseAddr(s)
	return err == nil && a.Zone() == ""
}

// isHostName is as generous as Kong: underscores, a leading dash and a trailing
// dot are fine.
func isHostName(s string) bool {
	if s == "" {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if label == "" || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; !isLetter(c) && !isDigit(c) && c != '-' && c != '_' {
				return false
			}
		}
	}
	return !looksLikeIPv4(s)
}

// looksLikeIPv4 tells digits and dots; as a host they are an address or wrong.
func looksLikeIPv4(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
}

// splitPort cuts a port off a host; an IPv6 address has one only after brackets.
func splitPort(s string) (host, port string, has bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || isAddress(s) || strings.Count(s, ":") > 1 && !strings.HasSuffix(s[:i], "]") {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

func isPort(s string, least int) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= least && n <= 65535 && !strings.ContainsAny(s, "+-")
}

func host(s string) string {
	switch _, _, has := splitPort(s); {
	case isAddress(s) || isHostName(s):
		return ""
	case has:
		return "must not have a port, and must be a host name or an address"
	}
	return "invalid value: want a host name or an address"
}

// hostWithPort takes hosts with wildcards: the schema has looked at these.
func hostWithPort(s string) string {
	host, port, has := splitPort(s)
	if has && !isPort(port, 0) {
		return "invalid port number"
	}
	plain := strings.ReplaceAll(host, "*", "x")
	if !isAddress(plain) && !isHostName(plain) {
		return "invalid hostname: want a host name or an address, with a port or without"
	}
	return ""
}

func wildcardSNI(s string) string {
	if strings.Count(s, "*") > 1 {
		return "only one wildcard must be specified"
	}
	if at := strings.IndexByte(s, '*'); at > 0 && at < len(s)-1 {
		return "wildcard must be leftmost or rightmost character"
	}
	plain := strings.Replace(s, "*", "x", 1)
	switch _, _, has := splitPort(plain); {
	case isAddress(plain):
		return "must not be an IP"
	case has:
		return "must not have a port"
	case !isHostName(plain):
		return "invalid value: want a host name"
	}
	return ""
}

func upstreamName(s string) string {
	switch _, _, has := splitPort(s); {
	case isAddress(s):
		return "Invalid name; no ip addresses allowed"
	case has:
		return "Invalid name; no port allowed"
	case !isHostName(s):
		return "Invalid name; must be a valid hostname"
	}
	return ""
}

func target(s string) string {
	host, port, has := splitPort(s)
	if has && !isPort(port, 0) || !isAddress(host) && !isHostName(host) {
		return "Invalid target; not a valid hostname or ip address"
	}
	return ""
}

func network(s string) string {
	if _, err := netip.ParseAddr(s); err == nil {
		return ""
	}
	if _, err := netip.ParsePrefix(s); err == nil {
		return ""
	}
	return "invalid ip or cidr range"
}

func url(s string) string {
	switch _, host, ok := splitURL(s); {
	case host == "":
		return "missing host in url"
	case !ok:
		return "missing scheme in url"
	}
	return ""
}

func redirectURI(s string) string {
	_, host, ok := splitURL(s)
	switch {
	case !ok || host == "":
		return "cannot parse the URI: want a scheme and a host"
	case strings.Contains(s, "#"):
		return "a fragment is not allowed"
	}
	return ""
}

// splitURL finds scheme and host as generously as Kong's parser, which takes
// anything after the scheme.
func splitURL(s string) (scheme, host string, ok bool) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		rest, ok = strings.CutPrefix(s, "//")
		if !ok {
			return "", "", false
		}
		scheme = ""
	}
	host = rest[:len(rest)-len(strings.TrimLeftFunc(rest, func(r rune) bool { return r != '/' && r != '?' && r != '#' }))]
	return scheme, host, scheme != ""
}

// path checks a plain path, which the schema knows to begin with a slash.
func path(s string) string {
	if !isPath(s) {
		return "invalid path: characters outside of the reserved list of RFC 3986 found"
	}
	return escapes(s)
}

// isPath reports whether all characters are of those that RFC 3986 has for paths.
func isPath(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && !isDigit(c) && strings.IndexByte("/.-_~%:@!$&'()*+,;=", c) < 0 {
			return false
		}
	}
	return strings.HasPrefix(s, "/")
}

func escapes(s string) string {
	for i := range len(s) {
		if s[i] == '%' && (i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2])) {
			return "invalid url-encoded value: a percent sign must begin an escape of two hexadecimal digits"
		}
	}
	return ""
}

// RoutePath checks a path that routes match: plain ones must be normalized, for
// otherwise no request would ever match; those with a tilde must be regular
// expressions. Kong looks at escapes only where all else is of RFC 3986.
func RoutePath(s string) string {
	if isPath(s) {
		if message := escapes(s); message != "" {
			return message
		}
	}
	if strings.HasPrefix(s, "~") {
		if why := PathPattern(s); why != "" {
			return "the regular expression does not compile: " + why
		}
		return ""
	}
	if normal(s) != s {
		return "non-normalized path: write it without dot segments and without escapes of characters that need none"
	}
	return ""
}

// normal resolves dot segments and the escapes of all but reserved characters.
func normal(s string) string {
	const reserved = "!#$%&'()*+,/:;=?@[]"
	if strings.IndexByte(s, '%') >= 0 {
		var b strings.Builder
		for i := 0; i < len(s); i++ {
			if s[i] != '%' || i+2 >= len(s) {
				b.WriteByte(s[i])
				continue
			}
			n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				b.WriteByte(s[i])
				continue
			}
			if strings.IndexByte(reserved, byte(n)) >= 0 {
				b.WriteString(strings.ToUpper(s[i : i+3]))
			} else {
				b.WriteByte(byte(n))
			}
			i += 2
		}
		s = b.String()
	}
	if !strings.Contains(s, "/.") {
		return s
	}
	segments := strings.Split(s, "/")
	out := make([]string, 0, len(segments))
	for i, segment := range segments {
		last := i == len(segments)-1
		if segment != "." && segment != ".." {
			out = append(out, segment)
			continue
		}
		if segment == ".." && len(out) > 1 {
			out = out[:len(out)-1]
		}
		if last {
			out = append(out, "")
		}
	}
	return strings.Join(out, "/")
}

// addURL makes a service's url a field that stands for its host.
func addURL(r *record) {
	if r.fields["url"] != nil || r.fields["host"] == nil {
		return
	}
	s := &shorthand{field: &field{name: "url", typ: typeString}, into: []string{"host"}}
	r.short["url"] = s
	r.aliases = append(r.aliases, s)
}

// expandURL writes a service's url as the fields that it is short for. The entity
// itself is left as it is.
func expandURL(values object) object {
	raw, ok := values["url"].(string)
	if !ok {
		return values
	}
	out := maps.Clone(values)
	delete(out, "url")
	bare := strings.HasPrefix(raw, "//") // Kong takes one without a scheme
	if bare {
		raw = "http:" + raw
	}
	scheme, authority, ok := splitURL(raw)
	if !ok || authority == "" {
		out["path"] = raw // which is what Kong's parser makes of it
		return out
	}
	if !bare {
		out["protocol"] = scheme
		if port := map[string]int{"http": 80, "https": 443}[scheme]; port > 0 {
			out["port"] = port
		}
	}
	_, rest, _ := strings.Cut(raw, "://")
	if path, _, _ := strings.Cut(rest[len(authority):], "?"); path != "" {
		out["path"] = path
	}
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		authority = authority[at+1:]
	}
	host, port, has := splitPort(authority)
	out["host"] = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if n, err := strconv.Atoi(port); has && err == nil {
		out["port"] = n
	}
	return out
}
