package check

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/entity"
)

// The rules for single values of a gateway without schemas. They are written from Kong's behaviour, apart from kong/schema on purpose: the
// table kong/schema/testdata/values.json holds both, so that a mistake in either shows.

var (
	hostName   = regexp.MustCompile(`^([A-Za-z0-9_-]*[A-Za-z0-9_]\.)*[A-Za-z0-9_-]*[A-Za-z0-9_]\.?$`)
	numeric    = regexp.MustCompile(`^[0-9.]+$`)
	plainPath  = regexp.MustCompile(`^/[A-Za-z0-9/._~%:@!$&'()*+,;=-]*$`)
	badEscape  = regexp.MustCompile(`%([^0-9A-Fa-f]|.[^0-9A-Fa-f]|.?$)`)
	headerText = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	cookieText = regexp.MustCompile(`^[!#$%&'*+.^_|~A-Za-z0-9` + "`" + `-]+$`)
	vaultText  = regexp.MustCompile(`^[a-z][a-z0-9-]*[a-z0-9]$`)
	portAtEnd  = regexp.MustCompile(`^(.*):([0-9]+)$`)
)

// An address is a host and perhaps a port, as Kong reads them.
type address struct {
	host   string
	isIP   bool
	port   string
	valid  bool
	portOK bool
}

func readAddress(text string) address {
	a := address{host: text, portOK: true}
	switch {
	case strings.Count(text, ":") > 1:
		if inner, port, found := strings.Cut(text, "]"); found && strings.HasPrefix(inner, "[") {
			a.host, a.port = inner[1:], strings.TrimPrefix(port, ":")
		}
		ip, err := netip.ParseAddr(a.host)
		a.isIP, a.valid = true, err == nil && ip.Is6() && ip.Zone() == ""
	default:
		if m := portAtEnd.FindStringSubmatch(text); m != nil {
			a.host, a.port = m[1], m[2]
		}
		if numeric.MatchString(a.host) {
			_, err := netip.ParseAddr(a.host)
			a.isIP, a.valid = true, err == nil
		} else {
			a.valid = hostName.MatchString(a.host)
		}
	}
	if a.port != "" {
		n, err := strconv.Atoi(a.port)
		a.portOK = err == nil && n <= 65535
	}
	return a
}

// hostProblem returns what Kong says of the host of a service.
func hostProblem(text string) string {
	switch a := readAddress(text); {
	case !a.valid:
		return "invalid value: " + text
	case a.port != "":
		return "must not have a port"
	}
	return ""
}

// serverNameProblem returns what Kong says of a server name, in which one wildcard may stand at either end.
func serverNameProblem(text string) string {
	if strings.Count(text, "*") > 1 {
		return "only one wildcard must be specified"
	}
	if at := strings.Index(text, "*"); at > 0 && at < len(text)-1 {
		return "wildcard must be leftmost or rightmost character"
	}
	a := readAddress(strings.Replace(text, "*", "wildcard", 1))
	if a.isIP && a.valid {
		return "must not be an IP"
	}
	return hostProblem(strings.Replace(text, "*", "wildcard", 1))
}

func upstreamNameProblem(text string) string {
	switch a := readAddress(text); {
	case !a.valid || !a.portOK:
		return "Invalid name; must be a valid hostname"
	case a.isIP:
		return "Invalid name; no ip addresses allowed"
	case a.port != "":
		return "Invalid name; no port allowed"
	}
	return ""
}

func targetProblem(text string) string {
	if a := readAddress(text); !a.valid || !a.portOK {
		return "Invalid target ('" + text + "'); not a valid hostname or ip address"
	}
	return ""
}

func servicePathProblem(text string) string {
	switch {
	case !strings.HasPrefix(text, "/"):
		return "should start with: /"
	case strings.Contains(text, "//"):
		return "must not have empty segments"
	case !plainPath.MatchString(text):
		return "invalid path: '" + text + "' (characters outside of the reserved list of RFC 3986 found)"
	case badEscape.MatchString(text):
		return "invalid url-encoded value: '" + text + "'"
	}
	return ""
}

func headerProblem(name string) string {
	if !headerText.MatchString(name) {
		return "bad header name '" + name + "', allowed characters are A-Z, a-z, 0-9, '_', and '-'"
	}
	return ""
}

// upstreamRules are those for how an upstream spreads requests.
func upstreamRules(n *entity.Node, complain func(string, ...any)) {
	say := func(field, message string) {
		if message != "" {
			complain(message, field)
		}
	}
	if name := n.Text("name"); name != "" {
		say("name", upstreamNameProblem(name))
	}
	if header := n.Text("host_header"); header != "" {
		if a := readAddress(header); !a.valid || !a.portOK {
			complain("invalid value: "+header, "host_header")
		}
	}
	if header := n.Text("hash_on_header"); header != "" {
		say("hash_on_header", headerProblem(header))
	}
	if cookie := n.Text("hash_on_cookie"); cookie != "" && !cookieText.MatchString(cookie) {
		complain("contains one or more invalid characters", "hash_on_cookie")
	}
	for on, prefix := range map[string]string{"hash_on": "hash_on_", "hash_fallback": "hash_fallback_"} {
		input := n.Text(on)
		field := prefix + input
		if input == "cookie" {
			field = "hash_on_cookie"
		}
		switch input {
		case "header", "cookie", "query_arg", "uri_capture":
			if n.Text(field) == "" {
				complain("failed conditional validation given value of field '"+on+"'", "@entity")
				complain("required field missing", field)
			}
		}
	}
	fallback := n.Text("hash_fallback")
	switch on := n.Text("hash_on"); on {
	case "", "none", "cookie":
		if fallback != "" && fallback != "none" {
			complain("expected one of: none", "hash_fallback")
		}
	case "ip", "path", "consumer":
		if fallback == on {
			complain("expected one of the other inputs", "hash_fallback")
		}
	}
}

func vaultRules(n *entity.Node, complain func(string, ...any)) {
	if prefix := n.Text("prefix"); prefix == "env" {
		complain("must not be one of: env", "prefix")
	} else if prefix != "" && !vaultText.MatchString(prefix) {
		complain("invalid value: "+prefix, "prefix")
	}
}

// endpointRules are those for the sources and destinations of a route.
func endpointRules(n *entity.Node, complain func(string, ...any)) {
	for _, field := range []string{"sources", "destinations"} {
		list, _ := n.Own[field].([]any)
		for i, item := range list {
			one, ok := item.(map[string]any)
			if !ok {
				continue
			}
			if one["ip"] == nil && one["port"] == nil {
				complain("at least one of these fields must be non-empty: 'ip', 'port'", field, i+1, "@entity")
			}
			if port, is := one["port"].(float64); is && (port < 0 || port > 65535) {
				complain("value should be between 0 and 65535", field, i+1, "port")
			}
			if ip, is := one["ip"].(string); is {
				_, single := netip.ParseAddr(ip)
				_, ranged := netip.ParsePrefix(ip)
				if single != nil && ranged != nil {
					complain("invalid ip or cidr range: '"+ip+"'", field, i+1, "ip")
				}
			}
		}
	}
}
