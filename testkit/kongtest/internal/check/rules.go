package check

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/entity"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/expression"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/pattern"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/problems"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/request"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/sandbox"
)

func isName(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return r < 0x80 && !isAlphanumeric(r) && r != '.' && r != '-' && r != '_' && r != '~'
	})
}

func isMethod(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < 'A' || r > 'Z' })
}

func isAlphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// rules checks values where there are no schemas.
func (s *Checker) rules(n *entity.Node, complain func(string, ...any)) {
	s.commonRules(n, complain)
	switch n.Kind.Name {
	case "services":
		serviceRules(n, complain)
	case "routes":
		s.routeRules(n, complain)
	case "consumers":
		if n.Text("username") == "" && n.Text("custom_id") == "" {
			complain("at least one of these fields must be non-empty: 'custom_id', 'username'", problems.Whole)
		}
	case "plugins":
		s.pluginRules(n, complain)
	case "vaults":
		if name := n.Text("name"); name != "" && name != "env" {
			complain(fmt.Sprintf("vault '%s' is not installed", name), "name")
		}
		vaultRules(n, complain)
	case "upstreams":
		upstreamRules(n, complain)
		healthRules(n, complain)
	case "targets":
		if target := n.Text("target"); target != "" {
			if why := targetProblem(target); why != "" {
				complain(why, "target")
			}
		}
	}
}

func (s *Checker) commonRules(n *entity.Node, complain func(string, ...any)) {
	switch n.Kind.Name {
	case "services", "routes", "workspaces":
		if name := n.Text("name"); name != "" && !isName(name) {
			complain(fmt.Sprintf("invalid value '%s': the only accepted ascii characters are alphanumerics or ., -, _, and ~", name), "name")
		}
	}
	tags, _ := n.Own["tags"].([]any)
	for i, tag := range tags {
		text, _ := tag.(string)
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == ',' || r == '/' }) {
			complain(fmt.Sprintf("invalid tag '%s': expected printable ascii (except `,` and `/`) or valid utf-8 sequences", text), "tags", i+1)
		}
	}
}

func serviceRules(n *entity.Node, complain func(string, ...any)) {
	if path := n.Text("path"); path != "" {
		if why := servicePathProblem(path); why != "" {
			complain(why, "path")
		}
	}
	if host := n.Text("host"); host != "" {
		if why := hostProblem(host); why != "" {
			complain(why, "host")
		}
	}
	raw, ok := n.Own["url"].(string)
	if !ok {
		return
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "":
		complain("should start with: /", "path")
		complain("required field missing", "host")
	case !readAddress(u.Host).portOK:
		complain("value should be between 0 and 65535", "port")
	case u.Scheme != "" && !slices.Contains(n.Kind.Fields["protocol"].OneOf, u.Scheme):
		complain("expected one of: "+strings.Join(n.Kind.Fields["protocol"].OneOf, ", "), "protocol")
	}
}

func (s *Checker) routeRules(n *entity.Node, complain func(string, ...any)) {
	paths, _ := n.Own["paths"].([]any)
	for i, item := range paths {
		path, _ := item.(string)
		switch source, isRegex := strings.CutPrefix(path, "~"); {
		case path == "":
		case !strings.HasPrefix(source, "/"):
			complain("should start with: / (fixed path) or ~/ (regex path)", "paths", i+1)
		case isRegex:
			if _, err := pattern.Compile(source); err != nil {
				complain(fmt.Sprintf("invalid regex: '%s' (PCRE returned: pcre2_compile() failed: %s)", source, reason(err)), "paths", i+1)
			}
		case strings.Contains(path, "//"):
			complain("must not have empty segments", "paths", i+1)
		case plainPath.MatchString(path) && badEscape.MatchString(path):
			at := badEscape.FindStringIndex(path)[0]
			complain(fmt.Sprintf("invalid url-encoded value: '%s'", path[at:min(at+3, len(path))]), "paths", i+1)
		case request.Normal(path) != path:
			complain(fmt.Sprintf("non-normalized path, consider use '%s' instead", request.Normal(path)), "paths", i+1)
		}
	}
	methods, _ := n.Own["methods"].([]any)
	for i, item := range methods {
		if method, _ := item.(string); method != "" && !isMethod(method) {
			complain("invalid value: "+method, "methods", i+1)
		}
	}
	hosts, _ := n.Own["hosts"].([]any)
	for i, item := range hosts {
		if host, _ := item.(string); host != "" {
			hostRules(host, i+1, complain)
		}
	}
	headerRules(n, complain)
	endpointRules(n, complain)
	for i, name := range entity.Words(n.Own["snis"]) {
		if why := serverNameProblem(name); name != "" && why != "" {
			complain(why, "snis", i+1)
		}
	}
	if protocolRules(n, complain) {
		s.criteria(n, complain)
	}
}

func hostRules(host string, position int, complain func(string, ...any)) {
	switch stars := strings.Count(host, "*"); {
	case stars > 1:
		complain("invalid wildcard: must have at most one wildcard", "hosts", position)
	case stars == 1 && !strings.HasPrefix(host, "*.") && !strings.HasSuffix(host, ".*"):
		complain("invalid wildcard: must be placed at leftmost or rightmost label", "hosts", position)
	default:
		switch a := readAddress(strings.ReplaceAll(host, "*", "abc")); {
		case !a.valid:
			complain("invalid hostname: "+host, "hosts", position)
		case !a.portOK:
			complain("invalid port number", "hosts", position)
		}
	}
}

func headerRules(n *entity.Node, complain func(string, ...any)) {
	headers, _ := n.Own["headers"].(map[string]any)
	for name, values := range headers {
		if strings.EqualFold(name, "host") {
			complain("cannot contain 'host' header, which must be specified in the 'hosts' attribute", "headers")
		} else if why := headerProblem(name); why != "" {
			complain(why, "headers")
		} else if list, ok := values.([]any); !ok {
			complain("expected an array", "headers")
		} else {
			headerValues(list, complain)
		}
	}
}

func headerValues(list []any, complain func(string, ...any)) {
	for i, item := range list {
		text, _ := item.(string)
		if text == "" {
			complain("length must be at least 1", "headers", i+1)
		}
		if source, is := strings.CutPrefix(text, "~*"); is {
			if _, err := pattern.Compile(strings.ToLower(source)); err != nil {
				complain("Router Expression failed validation: "+err.Error(), "@entity")
			}
		}
	}
}

// protocolRules refuses what the protocols of a route leave no room for. It
// reports whether the protocols make any sense.
func protocolRules(n *entity.Node, complain func(string, ...any)) bool {
	listed := entity.Words(n.Own["protocols"])
	if given, is := n.Own["protocols"].([]any); is && len(given) == 0 {
		complain("length must be at least 1", "protocols")
		return false
	}
	families := map[string]bool{}
	for _, protocol := range listed {
		switch protocol {
		case "http", "https":
			families["('http', 'https')"] = true
		case "grpc", "grpcs":
			families["('grpc', 'grpcs')"] = true
		case "tcp", "tls", "udp":
			families["('tcp', 'tls', 'udp')"] = true
		case "tls_passthrough":
			families["('tls_passthrough')"] = true
		default:
			complain("unknown type: "+protocol, "protocols")
			return false
		}
	}
	if len(families) > 1 {
		complain("these sets are mutually exclusive: "+strings.Join(slices.Sorted(maps.Keys(families)), ", "), "protocols")
		return false
	}
	tls := []string{"https", "grpcs", "tls", "tls_passthrough"}
	if n.Own["snis"] != nil && listed != nil && !slices.ContainsFunc(listed, func(p string) bool { return slices.Contains(tls, p) }) {
		complain("'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'", "snis")
	}
	grpc := families["('grpc', 'grpcs')"]
	stream := families["('tcp', 'tls', 'udp')"] || families["('tls_passthrough')"]
	for _, name := range []string{"methods", "paths"} {
		if n.Own[name] != nil && stream {
			complain(fmt.Sprintf("cannot set '%s' when 'protocols' is 'tcp', 'tls', 'tls_passthrough' or 'udp'", name), name)
		}
	}
	if grpc && n.Own["methods"] != nil {
		complain("cannot set 'methods' when 'protocols' is 'grpc' or 'grpcs'", "methods")
	}
	if grpc && n.Own["strip_path"] == true {
		complain("cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'", "strip_path")
	}
	return true
}

// criteria demands that a route matches on something.
func (s *Checker) criteria(n *entity.Node, complain func(string, ...any)) {
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool {
			switch value := n.Own[name].(type) {
			case nil:
				return false
			case []any:
				return len(value) > 0
			case map[string]any:
				return len(value) > 0
			}
			return true
		})
	}
	if has("expression") {
		if s.Flavor == expression.Flavor {
			if has("methods", "hosts", "paths", "headers", "snis", "sources", "destinations") {
				complain("Router Expression failed validation: cannot set 'expression' with 'methods', 'hosts', 'paths', 'headers', 'snis',"+
					" 'sources' or 'destinations' simultaneously", problems.Whole)
			} else if _, err := expression.Parse(n.Text("expression")); err != nil {
				complain("Router Expression failed validation: "+err.Error(), problems.Whole)
			}
			return
		}
	}
	protocols, _ := n.Own["protocols"].([]any)
	stream := slices.ContainsFunc(protocols, func(p any) bool { return p == "tcp" || p == "tls" || p == "udp" || p == "tls_passthrough" })
	switch {
	case stream && !has("sources", "destinations", "snis"):
		complain("must set one of 'sources', 'destinations', 'snis' when 'protocols' is 'tcp', 'tls' or 'udp'", problems.Whole)
	case !stream && slices.Contains(protocols, any("grpc")) && !has("hosts", "headers", "paths", "snis"):
		complain("must set one of 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'grpcs'", problems.Whole)
	case !stream && !has("methods", "hosts", "headers", "paths", "snis"):
		complain("must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is 'https'", problems.Whole)
	}
}

func (s *Checker) pluginRules(n *entity.Node, complain func(string, ...any)) {
	name := n.Text("name")
	if name == "" {
		return
	}
	if !s.Plugins[name] {
		complain(fmt.Sprintf("plugin '%s' not enabled; add it to the 'plugins' configuration property", name), "name")
		return
	}
	if config, _ := n.Own["config"].(map[string]any); name == "redirect" {
		if location, ok := config["location"].(string); ok {
			if lack := lacks(location); lack != "" {
				complain("missing "+lack+" in url", "config", "location")
			}
		}
	}
	s.luaRules(n, complain)
}

var urlParts = regexp.MustCompile(`^([A-Za-z0-9][-+.A-Za-z0-9]*:)?(?://(?:[^/@]*@)?([^/]*?)(?::[^/:]*)?(?:/.*)?$)?`)

// lacks says what Kong misses in a URL. It wants a scheme and something for a host, and looks at neither, nor at what follows.
func lacks(raw string) string {
	before, _, _ := strings.Cut(raw, "#")
	switch parts := urlParts.FindStringSubmatch(before); {
	case parts[2] == "":
		return "host"
	case parts[1] == "":
		return "scheme"
	}
	return ""
}

// luaRules compiles the functions in a plugin's configuration.
func (s *Checker) luaRules(n *entity.Node, complain func(string, ...any)) {
	name := n.Text("name")
	if n.Kind.Name != "plugins" || name != "pre-function" && name != "post-function" {
		return
	}
	config, _ := n.Own["config"].(map[string]any)
	for phase, value := range config {
		sources, _ := value.([]any)
		for i, source := range sources {
			if text, ok := source.(string); ok {
				if _, err := sandbox.Compile(text); err != nil {
					complain(fmt.Sprintf("error parsing %s: %s", name, strings.TrimSpace(err.Error())), "config", phase, i+1)
				}
			}
		}
	}
}

func reason(err error) string {
	return strings.TrimPrefix(err.Error(), "error parsing regexp: ")
}
