package schema

import (
	"maps"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The checks of single texts. Each returns what is wrong, without the text itself, or an empty string.

// Tag checks a tag.
func Tag(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == ',' || r == '/' }) {
		return "invalid tag: want printable characters other than comma and slash"
	}
	return ""
}

// Name checks the name of an entity.
func Name(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool {
		return r < utf8.RuneSelf && !isLetter(byte(r)) && !isDigit(byte(r)) && !strings.ContainsRune(".-_~", r)
	}) {
		return "invalid value: the only accepted ascii characters are alphanumerics or ., -, _, and ~"
	}
	return ""
}

func headerName(s string) string {
	s = strings.TrimSuffix(s, "\n") // Kong's pattern takes it
	if s == "" {
		return "bad header name: it is empty"
	}
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && !isDigit(c) && c != '-' && c != '_' {
			return "bad header name, allowed characters are A-Z, a-z, 0-9, '_', and '-'"
		}
	}
	return ""
}

// kindOfHost is how Kong classifies a host, by its characters.
type kindOfHost uint8

const (
	noHost kindOfHost = iota // none of these
	aName
	anIPv4
	anIPv6
	badPort // a host with a port that is too large
	noPort  // an IPv6 address in brackets and a colon without a port, on which Kong fails
)

// splitHost classifies a host, with or without a port, as Kong does. Two colons make an IPv6 address, digits and dots an IPv4 address, and
// anything else a name. Names may hold underscores, begin with a dash and end in a dot. Their length is not limited.
func splitHost(s string) (kind kindOfHost, hasPort bool) {
	bare := strings.ReplaceAll(s, ":", "")
	switch {
	case strings.Count(s, ":") > 1:
		return splitIPv6(s)
	case bare != "" && strings.Trim(bare, "0123456789.") == "":
		return splitIPv4(s)
	}
	return splitName(s)
}

func splitName(s string) (kindOfHost, bool) {
	name, hasPort := s, false
	if at := strings.LastIndexByte(s, ':'); at >= 0 && isDigits(s[at+1:]) {
		if name, hasPort = s[:at], true; !isPort(s[at+1:]) {
			return badPort, true
		}
	}
	labels := strings.Split(name, ".")
	for i, label := range labels {
		if label == "" && i < len(labels)-1 || strings.HasSuffix(label, "-") || strings.ContainsFunc(label, func(r rune) bool {
			return r >= utf8.RuneSelf || !isLetter(byte(r)) && !isDigit(byte(r)) && r != '-' && r != '_'
		}) {
			return noHost, false
		}
	}
	if name == "" {
		return noHost, false
	}
	return aName, hasPort
}

func splitIPv4(s string) (kindOfHost, bool) {
	host, port, hasPort := strings.Cut(s, ":")
	octets := strings.Split(host, ".")
	if len(octets) != 4 || hasPort && !isDigits(port) {
		return noHost, false
	}
	for _, octet := range octets {
		if n, err := strconv.Atoi(octet); err != nil || len(octet) > 3 || n > 255 {
			return noHost, false
		}
	}
	if hasPort && !isPort(port) {
		return badPort, true
	}
	return anIPv4, hasPort
}

// splitIPv6 expands the first :: by counting colons. It takes a little more than the standard allows.
func splitIPv6(s string) (kindOfHost, bool) {
	port := ""
	if strings.HasPrefix(s, "[") {
		end := balanced(s)
		if end > 0 {
			s, port = s[1:end], s[end+1:]
		}
	}
	if port != "" {
		switch {
		case port == ":":
			return noPort, false
		case port[0] != ':' || !isDigits(port[1:]):
			return noHost, false
		case !isPort(port[1:]):
			return badPort, true
		}
	}
	if strings.HasPrefix(s, ":") {
		s = "0" + s
	}
	if strings.HasSuffix(s, ":") {
		s += "0"
	}
	s = strings.Replace(s, "::", ":"+strings.Repeat("0:", max(0, 8-strings.Count(s, ":"))), 1)
	groups := strings.Split(s, ":")
	for _, group := range groups {
		if group == "" || len(group) > 4 || strings.ContainsFunc(group, func(r rune) bool { return r >= utf8.RuneSelf || !isHex(byte(r)) }) {
			return noHost, false
		}
	}
	if len(groups) != 8 {
		return noHost, false
	}
	return anIPv6, port != ""
}

// balanced returns the position of the bracket that closes the first one, or -1.
func balanced(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '[':
			depth++
		case ']':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func isPort(digits string) bool {
	digits = strings.TrimLeft(digits, "0")
	n, err := strconv.Atoi("0" + digits)
	return err == nil && n <= 65535
}

// failsOn begins the message about a value on which a gateway answers 500 (F14).
const failsOn = "a gateway fails on this: "

const noPortMessage = failsOn + "a colon after an address in brackets must be followed by a port"

// Host checks a host without a port. The host is a name or an address.
func Host(s string) string {
	switch kind, hasPort := splitHost(s); {
	case kind == noPort:
		return noPortMessage
	case kind == noHost:
		return "invalid value: want a host name or an address"
	case hasPort:
		return "must not have a port"
	}
	return ""
}

// HostWithPort checks a host that may have a port.
func HostWithPort(s string) string {
	switch kind, _ := splitHost(s); kind {
	case noPort:
		return noPortMessage
	case noHost:
		return "invalid hostname: want a host name or an address, with or without a port"
	case badPort:
		return "invalid port number: want 0 to 65535"
	}
	return ""
}

// RouteHost checks a host that routes match. One wildcard may stand for the leftmost or the rightmost label.
func RouteHost(s string) string {
	switch {
	case strings.Count(s, "*") > 1:
		return "invalid wildcard: must have at most one wildcard"
	case strings.Contains(s, "*") && !strings.HasPrefix(s, "*.") && !strings.HasSuffix(s, ".*"):
		return "invalid wildcard: must be placed at leftmost or rightmost label"
	}
	return hostWithWildcards(s)
}

func hostWithWildcards(s string) string { return HostWithPort(strings.ReplaceAll(s, "*", "abc")) }

func serverName(s string) string {
	switch kind, hasPort := splitHost(s); {
	case kind == noPort:
		return noPortMessage
	case kind == noHost:
		return "invalid value: want a host name"
	case kind == anIPv4, kind == anIPv6:
		return "must not be an IP"
	case hasPort:
		return "must not have a port"
	}
	return ""
}

// WildcardSNI checks a server name that may begin or end in a wildcard.
func WildcardSNI(s string) string {
	switch at := strings.IndexByte(s, '*'); {
	case at > 0 && at < len(s)-1:
		return "wildcard must be leftmost or rightmost character"
	case strings.Count(s, "*") > 1:
		return "only one wildcard must be specified"
	}
	return serverName(strings.Replace(s, "*", "wildcard", 1))
}

// UpstreamName checks the name of an upstream, which is a host name.
func UpstreamName(s string) string {
	switch kind, hasPort := splitHost(s); {
	case kind == noPort:
		return noPortMessage
	case kind == noHost, kind == badPort:
		return "Invalid name; must be a valid hostname"
	case kind != aName:
		return "Invalid name; no ip addresses allowed"
	case hasPort:
		return "Invalid name; no port allowed"
	}
	return ""
}

// Target checks the address of a target.
func Target(s string) string {
	switch kind, _ := splitHost(s); kind {
	case noPort:
		return noPortMessage
	case noHost, badPort:
		return "Invalid target; not a valid hostname or ip address"
	}
	return ""
}

// network checks an IP address or a CIDR range. IPv6 may stand in brackets.
func network(s string) string {
	address, bits, ranged := strings.Cut(s, "/")
	if strings.HasPrefix(address, "[") && strings.HasSuffix(address, "]") && strings.Contains(address, ":") {
		address = address[1 : len(address)-1]
	}
	a, err := netip.ParseAddr(address)
	n, errBits := strconv.Atoi(bits)
	if err != nil || a.Zone() != "" || ranged && (errBits != nil || strconv.Itoa(n) != bits || n < 0 || n > a.BitLen()) {
		return "invalid ip or cidr range"
	}
	return ""
}

// CookieName checks a token of RFC 2616.
func CookieName(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/?={}[]`, r) }) {
		return "contains one or more invalid characters: control characters, blanks and ()<>@,;:\\\"/?={}[] are not allowed"
	}
	return ""
}

// A parsedURL is the result of Kong's URL parser, which takes everything up to the next slash as the host.
type parsedURL struct {
	scheme, host, port, path               string
	hasUser, hasPort, hasHost, hasFragment bool
}

func parseURL(s string) parsedURL {
	var u parsedURL
	s, _, u.hasFragment = strings.Cut(s, "#")
	if scheme, rest, is := strings.Cut(s, ":"); is && isScheme(scheme) {
		u.scheme, s = scheme, rest
	}
	rest, hasAuthority := strings.CutPrefix(s, "//")
	authority := ""
	if hasAuthority {
		authority, s = rest, ""
		if at := strings.IndexByte(rest, '/'); at >= 0 {
			authority, s = rest[:at], rest[at:]
		}
	}
	s, _, _ = strings.Cut(s, "?")
	u.path, _, _ = strings.Cut(s, ";")
	if _, after, is := strings.Cut(authority, "@"); is {
		u.hasUser, authority = true, after
	}
	if at := strings.LastIndexByte(authority, ':'); at >= 0 && !strings.Contains(authority[at:], "]") {
		u.port, u.hasPort, authority = authority[at+1:], true, authority[:at]
	}
	if inner, is := strings.CutPrefix(authority, "["); is && strings.HasSuffix(inner, "]") && len(inner) > 1 {
		authority = strings.TrimSuffix(inner, "]")
	}
	u.host, u.hasHost = authority, authority != ""
	return u
}

func isScheme(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && !isDigit(c) && (i == 0 || strings.IndexByte("+-.", c) < 0) {
			return false
		}
	}
	return s != ""
}

func url(s string) string {
	switch u := parseURL(s); {
	case !u.hasHost:
		return "missing host in url"
	case u.scheme == "":
		return "missing scheme in url"
	}
	return ""
}

func redirectURI(s string) string {
	switch u := parseURL(s); {
	case !u.hasHost || u.scheme == "":
		return "cannot parse the URI: want a scheme and a host"
	case u.hasFragment:
		return "a fragment is not allowed"
	}
	return ""
}

// path checks a plain path. The schema checks the slash at its beginning.
func path(s string) string {
	if !isPath(s) {
		return "invalid path: characters outside of the reserved list of RFC 3986 found"
	}
	return escapes(s)
}

// isPath reports whether a text has only characters that RFC 3986 allows in paths.
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

// RoutePath checks a path that routes match. A plain path must be normalized, otherwise no request would match it. A path with a tilde must
// be a regular expression. Kong checks escapes only where all other characters are of RFC 3986.
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

// normal resolves dot segments and the escapes of unreserved characters.
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

// addURL adds a service's url as a shorthand of its host.
func addURL(r *record) {
	if r.fields["url"] != nil || r.fields["host"] == nil {
		return
	}
	s := &shorthand{field: textField("url"), into: []string{"host"}}
	r.short["url"] = s
	r.aliases = append(r.aliases, s)
}

// textField is a field of text that is not empty.
func textField(name string) *field {
	return &field{name: name, typ: typeString, rules: []rule{ruleOf(BadValue, "length must be at least 1",
		ofText(func(_ *checker, s string) bool { return s == "" }))}}
}

// A URLField is a field of a service that its url sets.
type URLField struct {
	Name string
	// Integer reports whether the value is an integer and not a string.
	Text    string
	Integer bool
}

// ServiceURL expands the shorthand url of a service as Kong does. Parts that the URL lacks are left out. Values may be invalid: the schema
// checks them.
func ServiceURL(raw string) []URLField {
	u := parseURL(raw)
	port, number := luaNumber(u.port)
	scheme := u.scheme
	if scheme == "" {
		scheme = "http"
		if number && port == 443 {
			scheme = "https"
		}
	}
	fields := []URLField{{Name: "protocol", Text: scheme}}
	if u.hasHost {
		fields = append(fields, URLField{Name: "host", Text: u.host})
	}
	switch {
	case number:
		fields = append(fields, URLField{Name: "port", Text: strconv.FormatFloat(port, 'f', -1, 64), Integer: true})
	case u.hasPort:
		fields = append(fields, URLField{Name: "port", Text: u.port})
	case scheme == "https":
		fields = append(fields, URLField{Name: "port", Text: "443", Integer: true})
	default:
		fields = append(fields, URLField{Name: "port", Text: "80", Integer: true})
	}
	if u.path != "" {
		fields = append(fields, URLField{Name: "path", Text: u.path})
	}
	return fields
}

// luaNumber parses a number as Lua does. Ports may be decimal or hexadecimal.
func luaNumber(s string) (float64, bool) {
	s = strings.TrimFunc(s, func(r rune) bool { return r == ' ' || r >= '\t' && r <= '\r' })
	if digits, is := strings.CutPrefix(strings.ToLower(s), "0x"); is {
		n, err := strconv.ParseUint(digits, 16, 63)
		return float64(n), err == nil
	}
	if s == "" || strings.Trim(s, "0123456789.eE+-") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil
}

// expandURL replaces a service's url by the fields that it sets, in a copy.
func expandURL(values object) object {
	raw, ok := values["url"].(string)
	if !ok || raw == "" {
		return values
	}
	out := maps.Clone(values)
	delete(out, "url")
	for _, f := range ServiceURL(raw) {
		out[f.Name] = f.Text
		if f.Integer {
			n, _ := luaNumber(f.Text)
			out[f.Name] = n
		}
	}
	return out
}
