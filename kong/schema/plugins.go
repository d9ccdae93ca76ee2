package schema

import (
	"strings"

	"github.com/silverback-gateway/silverback/kong/luasyntax"
)

// Rules of some plugins about their whole configuration.

// oauth2Flow requires at least one flow. Without one the plugin could serve nobody.
func oauth2Flow(c *checker, r *record, values object) {
	flows := []string{"enable_authorization_code", "enable_implicit_grant", "enable_client_credentials", "enable_password_grant"}
	for _, flow := range flows {
		if c.get(r, values, []string{flow}) == true {
			return
		}
	}
	c.recordError(MissingField, "at least one of these fields must be true: enable_authorization_code, enable_implicit_grant, "+
		"enable_client_credentials, enable_password_grant")
}

// limitOrder requires that the limit of a longer period is not lower than that of a shorter one.
func limitOrder(c *checker, _ *record, values object) {
	shorter, most := "", 0.0
	for _, period := range []string{"second", "minute", "hour", "day", "month", "year"} {
		n, ok := number(values[period])
		if !ok {
			continue
		}
		if shorter != "" && n < most {
			c.recordError(BadValue, "The limit for "+period+" cannot be lower than the limit for "+shorter)
			return
		}
		shorter, most = period, n
	}
}

// rateLimits checks the order of limits, and how often counters are synchronized, which only Redis uses.
func rateLimits(c *checker, r *record, values object) {
	limitOrder(c, r, values)
	const realtime, least = -1, 0.02
	rate, ok := number(c.get(r, values, []string{"sync_rate"}))
	if !ok || rate == realtime || c.invalid([]string{"sync_rate"}) {
		return
	}
	switch policy := c.get(r, values, []string{"policy"}); {
	case policy != "redis":
		c.recordError(BadValue, "sync_rate can only be used with the redis policy")
	case rate < least:
		c.recordError(BadValue, "sync_rate must be greater than 0.02, or -1 to disable")
	}
}

// terminationBody checks that there is either a message, which Kong wraps in its own body, or a body.
func terminationBody(c *checker, _ *record, values object) {
	has := func(name string) bool { return !empty(values[name]) }
	switch {
	case has("message") && (has("content_type") || has("body")):
		c.recordError(BadValue, "message cannot be used with content_type or body")
	case has("content_type") && !has("body"):
		c.recordError(BadValue, "content_type requires a body")
	case values["echo"] == true && (has("content_type") || has("body")):
		c.recordError(BadValue, "echo cannot be used with content_type and body")
	}
}

// oneLogin checks that credentials are given either in the URL or in a header.
func oneLogin(c *checker, _ *record, values object) {
	endpoint, _ := values["http_endpoint"].(string)
	headers, _ := values["headers"].(object)
	if !parseURL(endpoint).hasUser || !c.spend(len(headers)) {
		return
	}
	for name := range headers {
		if strings.EqualFold(name, "authorization") {
			c.recordError(BadValue, "specifying both an 'Authorization' header and user info in 'http_endpoint' is not allowed")
			return
		}
	}
}

// distinctTags checks that a static tag has one value.
func distinctTags(c *checker, _ *record, values object) {
	list, _ := values["static_tags"].([]any)
	seen := map[string]bool{}
	for _, item := range list {
		one, _ := item.(object)
		name, ok := one["name"].(string)
		if !ok || !c.spend(1+len(name)/32) {
			continue
		}
		if seen[name] {
			c.at("static_tags", BadValue, "repeated tags are not allowed")
			return
		}
		seen[name] = true
	}
}

// plainProxy checks the proxy for requests to Lambda, which must be reached without TLS.
func plainProxy(c *checker, r *record, values object) {
	proxy, _ := c.get(r, values, []string{"config", "proxy_url"}).(string)
	if scheme, _, is := strings.Cut(proxy, "://"); is && scheme != "" && scheme != "http" && !strings.Contains(scheme, ":") {
		c.entity(BadValue, "proxy_url scheme must be http")
	}
}

// countedTokens refuses statistics about the completions of one provider, which has none.
func countedTokens(c *checker, r *record, values object) {
	get := func(path ...string) any { return c.get(r, values, path) }
	if get("logging", "log_statistics") == true && get("route_type") == "llm/v1/completions" && get("model", "provider") == "anthropic" {
		c.entity(BadValue, "anthropic does not support statistics when route_type is llm/v1/completions")
	}
}

// acmeStorage refuses the database as storage for certificates. A gateway without a database has none.
func acmeStorage(c *checker, r *record, values object) {
	if c.get(r, values, []string{"config", "storage"}) == "kong" {
		c.entity(BadValue, "\"kong\" storage can't be used with dbless mode")
	}
}

func acmeNamespace(s string) string {
	for _, word := range []string{"kong_acme:renew_config:", "kong_acme:renew_last_run", "kong_acme:cert_key:"} {
		if strings.HasPrefix(s, word) {
			return "namespace can't begin with a prefix that the plugin reserves"
		}
	}
	return ""
}

// luaChunk compiles Lua as LuaJIT does. Its message names the line.
func luaChunk(s string) string {
	if err := luasyntax.Check(s); err != nil {
		return "the Lua code does not compile: " + err.Error()
	}
	return ""
}

// nameAndValue splits what transformers add at the first run of colons.
func nameAndValue(s string) (name, value string) {
	name, value, _ = strings.Cut(s, ":")
	return name, strings.TrimLeft(value, ":")
}

// transformed checks a field of a body or a query that request-transformer writes. It must have a value, which is a template.
func transformed(s string) string {
	switch name, value := nameAndValue(s); {
	case name == "":
		return failsOn + "a value has no key: want key:value"
	case value == "":
		return "a key has no value: want key:value"
	default:
		return template(value)
	}
}

func transformedHeader(s string) string {
	if name, _ := nameAndValue(s); name == "" || headerName(name) != "" {
		return "not a valid header: want name:value, with A-Z, a-z, 0-9, '_', and '-' in the name"
	}
	return ""
}

func renamedHeader(s string) string {
	name, value := nameAndValue(s)
	if name == "" || value == "" || headerName(name) != "" || headerName(value) != "" {
		return "not valid headers: want old:new, both with A-Z, a-z, 0-9, '_', and '-' alone"
	}
	return ""
}

// template checks the Lua in a template. Every $(...) is an expression.
func template(s string) string {
	const most = 1000 // the most expressions that are checked
	var chunk strings.Builder
	found := 0
	for rest := s; found < most; {
		at := strings.Index(rest, "$(")
		if at < 0 {
			break
		}
		end := closing(rest[at+1:])
		if end < 0 {
			rest = rest[at+1:]
			continue
		}
		found++
		chunk.WriteString("_ = tostring((" + rest[at+2:at+1+end] + ") or '');\n")
		rest = rest[at+1+end+1:]
	}
	if found == 0 {
		return ""
	}
	if err := luasyntax.Check("return function()\n" + chunk.String() + "end"); err != nil {
		return "the template is not in supported format: $(...) must hold an expression of Lua"
	}
	return ""
}

// closing returns the position of the parenthesis that closes the first one, or -1.
func closing(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// recordError adds an error about a record that is a field, unless something in the record has an error.
func (c *checker) recordError(rule Rule, message string) {
	if !c.hasError(c.path) {
		c.add(rule, message)
	}
}

// filters refuses all filters. A gateway without WebAssembly has none.
func filters(c *checker, r *record, _ object) {
	f := r.fields["filters"]
	if f == nil || f.elements == nil || f.elements.rec == nil {
		return
	}
	name := f.elements.rec.fields["name"]
	if name == nil {
		return
	}
	for _, rule := range name.rules {
		if rule.rule == Unsupported {
			c.entity(Unsupported, "wasm support is not enabled")
			return
		}
	}
}
