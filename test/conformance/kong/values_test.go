package kong_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/testkit/kongtest"
	"github.com/silverback-gateway/silverback/testkit/kongtest/schemacheck"
	"github.com/silverback-gateway/silverback/testkit/shared"
	"github.com/silverback-gateway/silverback/testkit/values"
)

// TestF22_ValuesAsTheRouterAndPluginsTakeThem: what no schema shows, on any gateway: its router's two engines of regular expressions, its
// language of addresses, LuaJIT, and rules in plugins' own code. The checker and the simulated gateway share their readers; this is what
// holds both.
func TestF22_ValuesAsTheRouterAndPluginsTakeThem(t *testing.T) {
	const taken, refused, fails = http.StatusCreated, http.StatusBadRequest, http.StatusInternalServerError
	plugin := func(name, config string) string {
		return `{"_format_version":"3.0","plugins":[{"name":"` + name + `","config":` + config + `}]}`
	}
	service := func(fields string) string {
		return `{"_format_version":"3.0","services":[{"name":"s",` + fields + `}]}`
	}
	check := func(t *testing.T, k *target) {
		if k.root(t).Configuration.RouterFlavor == "traditional_compatible" {
			for path, want := range map[string]int{
				`~/[a-z&&[^aeiou]]+`: taken, `~/a/\\d{1,1001}`: taken, `~/(?x) a # b`: taken, `~/\\_\\<`: taken, `~/a%zz`: taken, `~/a++`: taken,
				`~/[[:word:]]`: taken, `~/\\x{41}`: taken,
				`~/a{,5}`: refused, `~/a**`: refused, `~/\\h`: refused, `~/\\u0041`: refused, `~/\\p{IsGreek}`: refused, `~/\\p{Letter}`: refused,
				`~/[[:foo:]]`: refused, `~/(?<n>a)(?<n>b)`: refused,
				`~/\\w{1000}`: refused, `~/(?<n-1>a)`: refused, `~/(?u)a`: refused, `~/(?>a)`: refused, `~/a//b`: refused, `/%zz`: refused,
				`/a b%zz`: taken,
			} {
				if got := k.post(t, routes(`{"name":"a","paths":["`+path+`"]}`)); got.code != want {
					t.Errorf("%s: %s, want %d", path, got, want)
				}
			}
			for headers, want := range map[string]int{
				`{"x":["~*\\W"]}`: taken, `{"x":["~*(?-u:\\w)"]}`: taken, `{"x":[]}`: refused, `{"x":["~*(?P<n>a)"]}`: refused,
				`{"x":["~*("]}`: refused, `{"x":["a","~*(?=b)"]}`: refused,
			} {
				if got := k.post(t, routes(`{"name":"a","paths":["/a"],"headers":`+headers+`}`)); got.code != want {
					t.Errorf("%s: %s, want %d", headers, got, want)
				}
			}
			for ip, want := range map[string]int{`1.2.3.4/8`: taken, `fe80::/10`: taken, `1.2.3.4/0`: refused, `[::1]`: refused,
				`fe80::1/10`: refused, `::ffff:1.2.3.4`: refused} {
				if got := k.post(t, routes(`{"name":"a","protocols":["tcp"],"sources":[{"ip":"`+ip+`"}]}`)); got.code != want {
					t.Errorf("%s: %s, want %d", ip, got, want)
				}
			}
		}
		for text, want := range map[string]int{
			service(`"host":"-a.example"`): taken, service(`"host":"a."`): taken, service(`"host":"1.2.3"`): refused,
			service(`"host":"fe80::1%eth0"`): refused, service(`"host":"[::1]:"`): fails,
			service(`"url":"//a/b"`): taken, service(`"url":"http://a:0x50"`): taken, service(`"url":"http://a?x=1"`): refused,
			service(`"url":"HTTP://a"`): refused, service(`"url":""`): fails, service(`"url":5`): fails,
			service(`"host":"a","port":null`): refused, service(`"host":"a","id":null`): taken, service(`"host":"a","updated_at":"x"`): taken,
			plugin("rate-limiting", `{"minute":1,"sync_rate":1}`): refused, plugin("rate-limiting",
				`{"minute":1,"policy":"redis","redis":{"host":"h"},"sync_rate":0.02}`): taken,
			plugin("request-termination", `{"echo":true,"body":"x"}`):                              refused,
			plugin("http-log", `{"http_endpoint":"http://u:p@a","headers":{"Authorization":"x"}}`): refused,
			plugin("request-transformer", `{"add":{"body":["a:$(1+)"]}}`):                          refused,
			plugin("request-transformer", `{"add":{"headers":["a:$(1+)"]}}`):                       taken,
			plugin("request-transformer", `{"add":{"body":[":b"]}}`):                               fails,
			plugin("pre-function", `{"access":["x = 1LL; while true do break; local y end"]}`):     taken,
			plugin("pre-function", `{"access":["return ("]}`):                                      refused, plugin("pre-function",
				`{"log":["x = '\\q'"]}`): refused,
			plugin("cors", `{"origins":["(?=a)b"]}`): taken, plugin("cors", `{"origins":["*.a"]}`): refused,
			plugin("redirect", `{"location":"/a"}`): refused, plugin("acme", `{"account_email":"a@b","storage":"kong"}`): refused,
			plugin("response-ratelimiting",
				`{"limits":{"a":{"minute":1}},"redis_host":"a b"}`): refused,
			plugin("zipkin",
				`{"static_tags":[{"name":"a","value":"b"},{"name":"a","value":"c"}]}`): refused,
			`{"_format_version":"3.0","consumers":[{"username":"c"}],"plugins":[{"name":"key-auth",` +
				`"consumer":"c"}]}`: refused,
			`{"_format_version":"3.0","consumers":[{"username":"c","plugins":[{"name":"key-auth"}]}]}`: taken,
			`{"_format_version":"3.0","upstreams":[{"name":"u","hash_on":"cookie","hash_on_cookie":"a ` +
				`b"}]}`: refused,
			`{"_format_version":"3.0","upstreams":[{"name":"u","algorithm":""}]}`: fails,
			`{"_format_version":"3.0","consumers":[{"username":"c","jwt_secrets":[{"key":"k","secret":"s",` +
				`"rsa_public_key":"x"}]}]}`: taken,
			`{"_format_version":"3.0","consumers":[{"username":"c","jwt_secrets":[{"key":"k","secret":"s","algorithm":"RS256",` +
				`"rsa_public_key":"x"}]}]}`: refused,
		} {
			if got := k.post(t, text); got.code != want {
				t.Errorf("%s: %s, want %d", text, got, want)
			}
		}
	}
	t.Run("simulated", func(t *testing.T) { check(t, simulate(t, kongtest.Options{}, schemacheck.Dir(t, shared.SchemaDir(t)))) })
	t.Run("real", func(t *testing.T) { check(t, live(t)) })
}

// TestF22_EveryValueOfTheTable holds a gateway to the table that the translator and the simulated gateway are held to. What rests on the
// edition or on the engine of the router is asked only of the open-source gateway in its default flavor: the table is of that one.
func TestF22_EveryValueOfTheTable(t *testing.T) {
	check := func(t *testing.T, k *target) {
		r := k.root(t)
		ofTheTable := r.Configuration.RouterFlavor == "traditional_compatible" && !strings.Contains(r.Version, "enterprise")
		asked, left := 0, 0
		for _, v := range values.Table(t) {
			if v.NeedsGateway() && !ofTheTable {
				left++
				continue
			}
			asked++
			if got := k.post(t, string(v.Config(t))); (got.code == http.StatusCreated) != v.Taken() {
				t.Errorf("%s: %s, got %s", v, v.Verdict, got)
			}
		}
		t.Logf("%d values asked, %d left out", asked, left)
	}
	t.Run("simulated", func(t *testing.T) { check(t, simulate(t, kongtest.Options{}, schemacheck.Dir(t, shared.SchemaDir(t)))) })
	t.Run("real", func(t *testing.T) { check(t, live(t)) })
}
