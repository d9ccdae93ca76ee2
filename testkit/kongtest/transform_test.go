package kongtest_test

import (
	"fmt"
	"testing"

	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// TestABadTemplateCostsItsRequests: it is accepted (F21), and only a request finds out.
func TestABadTemplateCostsItsRequests(t *testing.T) {
	srv := echo(t)
	for name, c := range map[string]struct {
		lua, config string
		status      int
	}{
		"no end":             {"", `{"replace":{"uri":"/$(a"}}`, 500},
		"no expression":      {"", `{"add":{"headers":["x-a:$(1 +)"]}}`, 500},
		"an error":           {"", `{"add":{"headers":["x-a:$(nosuch.field)"]}}`, 500},
		"no path":            {"", `{"replace":{"uri":"nowhere"}}`, 500},
		"the system":         {"", `{"add":{"headers":["x-a:$(os.exit())"]}}`, 500},
		"without Lua":        {"off", `{"replace":{"uri":"/$(1)"}}`, 500},
		"a text without Lua": {"off", `{"replace":{"uri":"/plain"}}`, 200},
		"false is nothing":   {"", `{"replace":{"uri":"/$(false)"}}`, 200},
	} {
		g := kongtest.Start(t, kongtest.SwitchAfter(0), func(o *kongtest.Options) { o.UntrustedLua = c.lua })
		mustPost(t, g, fmt.Sprintf(`{"_format_version":"3.0","services":[{"name":"s","url":%q,"routes":[{"name":"r","paths":["/"],`+
			`"plugins":[{"name":"request-transformer","config":%s}]}]}]}`, srv.URL, c.config))
		if got := get(t, g.ProxyURL()+"/x"); got.status != c.status {
			t.Errorf("%s: %d %s, want %d", name, got.status, got.body, c.status)
		}
	}
}
