package kong_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// seen is what an upstream was asked.
type seen struct {
	Message, Method, Host, URI string
	Header                     http.Header
}

// listening is an upstream that answers with what it was asked, and with headers of its own.
func listening(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-There", "upstream")
		w.Header().Set("X-Gone", "upstream")
		w.Header().Set("X-Old", "upstream")
		_ = json.NewEncoder(w).Encode(seen{"asked", r.Method, r.Host, r.RequestURI, r.Header})
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// transforming is a route of a service with one plugin.
func transforming(name, plugin, config string, paths ...string) string {
	list, _ := json.Marshal(append([]string{"/" + name}, paths...))
	return fmt.Sprintf(`{"name":%q,"paths":%s,"plugins":[{"name":%q,"config":%s}]}`, name, list, plugin, config)
}

// transformed loads routes of one service, whose path has a word of its own so that what came before is told apart.
func (k *target) transformed(t *testing.T, upstream string, list ...string) {
	t.Helper()
	k.load(t, fmt.Sprintf(`{"_format_version":"3.0","services":[{"name":"asked","url":"%s/service","routes":[%s,`+
		`{"name":"marker","paths":["/%s"]}]}]}`, upstream, strings.Join(list, ","), marker(list)))
	k.served(t, "/"+marker(list), 200, "asked")
}

func marker(list []string) string { return md5Hex(strings.Join(list, ",")) }

// withoutLua reports whether templates with expressions cannot be rendered.
func (k *target) withoutLua(t *testing.T) bool {
	t.Helper()
	return k.root(t).Configuration.UntrustedLua == "off"
}

func TestRequestTransformerChangesHeaders(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		upstream := listening(t)
		k.transformed(t, upstream,
			transforming("headers", "request-transformer", `{"remove":{"headers":["X-Gone"]},"rename":{"headers":["X-Old:X-New"]},
				"replace":{"headers":["X-There:new","X-Absent:no"]},"add":{"headers":["X-There:no","X-Absent:added","X-Gone:again"]},
				"append":{"headers":["X-There:more","X-List:one","X-List:two"]}}`),
			transforming("host", "request-transformer", `{"replace":{"headers":["host:replaced.test"]},"add":{"headers":["host:added.test"]}}`),
			transforming("added", "request-transformer", `{"add":{"headers":["host:added.test"]}}`),
		)
		var got seen
		decode(t, get(t, k.proxy+"/headers/x", "X-There", "old", "X-Gone", "client", "X-Old", "client"), &got)
		for name, want := range map[string]string{
			"X-There": "new,more", "X-Absent": "added", "X-Gone": "again", "X-Old": "", "X-New": "client", "X-List": "one,two",
		} {
			if value := strings.Join(got.Header.Values(name), ","); value != want {
				t.Errorf("%s: %q, want %q", name, value, want)
			}
		}
		decode(t, get(t, k.proxy+"/host"), &got)
		if got.Host != "replaced.test" {
			t.Errorf("a replaced host: %q", got.Host)
		}
		decode(t, get(t, k.proxy+"/added"), &got)
		if got.Host != strings.TrimPrefix(upstream, "http://") {
			t.Errorf("an added host: %q", got.Host)
		}
	})
}

func TestRequestTransformerChangesPathsMethodsAndQueries(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		k.transformed(t, listening(t),
			transforming("whole", "request-transformer", `{"replace":{"uri":"/of the/plugin"}}`),
			transforming("captured", "request-transformer", `{"replace":{"uri":"/base$(uri_captures[1])"}}`, "~/prefix$", "~/prefix(/.*)"),
			transforming("chosen", "request-transformer",
				`{"replace":{"uri":"$(uri_captures[1] == nil and \"/\" or uri_captures[1])"}}`, "~/root$", "~/root(/.*)"),
			transforming("named", "request-transformer", `{"replace":{"uri":"/$(uri_captures[\"id\"])/$(headers.x_there)$(query_params.q)"}}`,
				`~/items/(?<id>\d+)`),
			transforming("method", "request-transformer", `{"http_method":"POST"}`),
			transforming("query", "request-transformer", `{"remove":{"querystring":["gone"]},"rename":{"querystring":["old:new"]},
				"replace":{"querystring":["there:x","absent:x"]},"add":{"querystring":["there:y","added:z"]},"append":{"querystring":["there:w"]}}`),
		)
		lua := !k.withoutLua(t)
		for path, want := range map[string]struct {
			uri  string
			lua  bool
			verb string
		}{
			"/whole/x?a=1":  {uri: "/of%20the/plugin?a=1"},
			"/prefix":       {uri: "/base", lua: true},
			"/prefix/x?a=1": {uri: "/base/x?a=1", lua: true},
			"/root":         {uri: "/", lua: true},
			"/root/x":       {uri: "/x", lua: true},
			"/items/12?q=v": {uri: "/12/headerv?q=v", lua: true},
			"/method/x":     {uri: "/service/x", verb: "POST"},
		} {
			answer := get(t, k.proxy+path, "X-There", "header")
			if want.lua && !lua {
				if answer.code != http.StatusInternalServerError {
					t.Errorf("%s without Lua: %s", path, answer)
				}
				continue
			}
			if answer.code != http.StatusOK {
				t.Errorf("%s: %s", path, answer)
				continue
			}
			var got seen
			decode(t, answer, &got)
			if got.URI != want.uri || want.verb != "" && got.Method != want.verb {
				t.Errorf("%s: %s %s, want %s %s", path, got.Method, got.URI, want.verb, want.uri)
			}
		}
		var got seen
		decode(t, get(t, k.proxy+"/query?gone=1&old=2&there=3"), &got)
		_, query, _ := strings.Cut(got.URI, "?")
		values, err := url.ParseQuery(query)
		if err != nil || values.Encode() != "added=z&new=2&there=x&there=w" {
			t.Errorf("the query is %q: %v", query, err)
		}
	})
}

func TestResponseTransformerChangesHeadersOfEveryAnswer(t *testing.T) {
	config := `{"remove":{"headers":["X-Gone"]},"rename":{"headers":["X-Old:X-New"]},"replace":{"headers":["X-There:new","X-Absent:no"]},
		"add":{"headers":["X-There:no","X-Added:yes","X-Gone:again"]},"append":{"headers":["X-There:more","X-List:one","X-List:two"]}}`
	each(t, func(t *testing.T, k *target) {
		k.transformed(t, listening(t),
			transforming("upstream", "response-transformer", config),
			`{"name":"own","paths":["/own"],"plugins":[{"name":"request-termination","config":{"status_code":302,"message":"own"}},
				{"name":"response-transformer","config":{"add":{"headers":["Location:/elsewhere"]}}}]}`)
		got := get(t, k.proxy+"/upstream")
		for name, want := range map[string]string{
			"X-There": "new,more", "X-Absent": "", "X-Gone": "", "X-Old": "", "X-New": "upstream", "X-Added": "yes", "X-List": "one,two",
		} {
			if value := strings.Join(got.header.Values(name), ","); value != want {
				t.Errorf("%s: %q, want %q", name, value, want)
			}
		}
		if got := get(t, k.proxy+"/own"); got.code != http.StatusFound || got.header.Get("Location") != "/elsewhere" {
			t.Errorf("an answer of the gateway's own: %s, to %q", got, got.header.Get("Location"))
		}
	})
}

// TestPostFunctionAnswersAfterAuthenticationWithAHeaderOfItsOwn reads what redirections of the Gateway API are made of.
func TestPostFunctionAnswersAfterAuthenticationWithAHeaderOfItsOwn(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		if k.root(t).Configuration.UntrustedLua == "off" {
			return // F41 says what happens then
		}
		const code = `local r = kong.request ` +
			`return kong.response.exit(307, 'redirecting', { Location = r.get_forwarded_scheme() .. '://' .. r.get_forwarded_host() .. ` +
			`((r.get_header('host') or ''):match(':%d+$') or '') .. r.get_path_with_query(), ` +
			`['X-Normal'] = (r.get_path():gsub('[^%w/%%]', function(c) return string.format('%%%02X', c:byte()) end)), ` +
			`['X-Query'] = r.get_raw_query() })`
		k.transformed(t, listening(t),
			transforming("open", "post-function", `{"access":["`+code+`"]}`),
			`{"name":"shut","paths":["/shut"],"plugins":[{"name":"key-auth"},{"name":"post-function","config":{"access":["`+code+`"]}}]}`)
		got := get(t, k.proxy+"/open/./a%20b?c=1&d", "Host", "One.Example:8443")
		for name, want := range map[string]string{
			"Location": "http://one.example:8443/open/./a%20b?c=1&d", "X-Normal": "/open/a%20b", "X-Query": "c=1&d",
		} {
			if value := got.header.Get(name); got.code != http.StatusTemporaryRedirect || value != want {
				t.Errorf("%s: %s is %q, want %q", got, name, value, want)
			}
		}
		if got := get(t, k.proxy+"/shut"); got.code != http.StatusUnauthorized || got.header.Get("Location") != "" {
			t.Errorf("without a key: %s, to %q", got, got.header.Get("Location"))
		}
	})
}

func TestRedirectSendsAwayWithOrWithoutThePath(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		k.transformed(t, listening(t),
			transforming("plain", "redirect", `{"location":"https://to.test/as/it is"}`),
			transforming("status", "redirect", `{"location":"https://to.test/x?a=1","status_code":308}`),
			transforming("keep", "redirect", `{"location":"https://TO.test:443/ignored?b=2","keep_incoming_path":true,"status_code":302}`),
			transforming("port", "redirect", `{"location":"http://to.test:8080","keep_incoming_path":true}`),
			transforming("parts", "redirect", `{"location":"http://to.test:/%zz?b=2#part","keep_incoming_path":true}`),
			transforming("ws", "redirect", `{"location":"ws://TO.test:80","keep_incoming_path":true}`),
			transforming("other", "redirect", `{"location":"other://TO.test:80/","keep_incoming_path":true}`),
			transforming("odd", "redirect", `{"location":"http://[to test/%zz"}`),
			transforming("odder", "redirect", `{"location":"http://[to test/%zz","keep_incoming_path":true}`),
			transforming("broken", "redirect", `{"location":"http://to.test:99999/","keep_incoming_path":true}`),
		)
		for path, want := range map[string]struct {
			code     int
			location string
		}{
			"/plain/x?a=1":    {301, "https://to.test/as/it is"},
			"/status":         {308, "https://to.test/x?a=1"},
			"/keep/./x?c=3&d": {302, "https://to.test/keep/x?c=3&d"},
			"/port":           {301, "http://to.test:8080/port"},
			"/parts":          {301, "http://to.test/parts#part"},
			"/ws":             {301, "ws://to.test/ws"},
			"/other":          {301, "other://TO.test:80/other"},
			"/odder":          {500, ""},
			"/broken/x":       {500, ""},
		} {
			if got := get(t, k.proxy+path); got.code != want.code || got.header.Get("Location") != want.location {
				t.Errorf("%s: %s, to %q, want %d to %q", path, got, got.header.Get("Location"), want.code, want.location)
			}
		}
	})
}
