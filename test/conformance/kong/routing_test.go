package kong_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// routed is a request and the route that must take it, or nothing for none.
type routed struct {
	method, target string
	header         []string
	want           string
}

// routing loads routes and checks which of them take which requests.
func (k *target) routing(t *testing.T, list []string, cases ...routed) {
	t.Helper()
	if k.root(t).Configuration.RouterFlavor == "traditional" {
		return // it has an order of its own
	}
	marker := "/" + md5Hex(strings.Join(list, ","))
	k.load(t, routes(append(list, ending("marker", `"hosts":["marker.test"],"paths":["`+marker+`"]`))...))
	k.served(t, marker, 200, "marker", "Host", "marker.test")
	for _, c := range cases {
		if c.want == "" {
			c.want = "no Route matched with those values"
		}
		if got := ask(t, c.method, k.proxy+c.target, "", c.header...); got.message() != c.want {
			t.Errorf("%s %s with %q: %s, want %s", c.method, c.target, c.header, got, c.want)
		}
	}
}

func TestF45_PlainHostsThenRegularExpressionsThenKindsOfCriteria(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		k.routing(t, []string{
			ending("prefix", `"paths":["/a"]`),
			ending("long", `"paths":["/a/long"]`),
			ending("method", `"paths":["/a"],"methods":["PUT"]`),
			ending("regex", `"paths":["~/a/\\d+"]`),
			ending("regex-first", `"paths":["~/a/\\d+/first"],"regex_priority":1`),
			ending("wildcard", `"hosts":["*.one.test"],"methods":["PUT"],"paths":["~/a/\\d+"]`),
			ending("host", `"hosts":["api.one.test"]`),
			ending("four", `"hosts":["api.*"],"methods":["PUT"],"paths":["/a"],"headers":{"x-a":["1"]}`),
		},
			routed{"GET", "/a/long/x", nil, "long"},
			routed{"PUT", "/a/long/x", nil, "method"},
			routed{"PUT", "/a/12", nil, "regex"},
			routed{"GET", "/a/12/first", nil, "regex-first"},
			routed{"PUT", "/a/12", []string{"Host", "www.one.test"}, "wildcard"},
			routed{"PUT", "/a/12", []string{"Host", "api.one.test"}, "host"},
			routed{"PUT", "/a/12", []string{"Host", "api.one.test", "X-A", "1"}, "four"},
		)
	})
}

func TestF45_OfEqualRoutesTheLargerIDWins(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		small := strings.Replace(ending("small", `"paths":["/a"]`), "{", `{"id":"10000000-0000-4000-8000-000000000000",`, 1)
		large := strings.Replace(ending("large", `"paths":["/b","/a"]`), "{", `{"id":"f0000000-0000-4000-8000-000000000000",`, 1)
		for _, list := range [][]string{{small, large}, {large, small}} {
			k.routing(t, list, routed{"GET", "/a", nil, "large"})
		}
	})
}

func TestF45_PathsAreNormalisedBeforeMatching(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		k.routing(t, []string{
			ending("plain", `"paths":["/users"]`),
			ending("deep", `"paths":["/a/b"]`),
			ending("dot", `"paths":["/a.b"]`),
			ending("space", `"paths":["/a b"]`),
			ending("letter", `"paths":["/ü"]`),
			ending("slash", `"paths":["~/enc%2Fslash$"]`),
			ending("repeated", `"paths":["~/r++x$"]`),
			ending("any-case", `"paths":["~/(?i)case$"]`),
		},
			routed{"GET", "//users", nil, "plain"},
			routed{"GET", "/x/%2e%2e/users", nil, "plain"},
			routed{"GET", "/%75sers", nil, "plain"},
			routed{"GET", "/users/%2e%2e/x", nil, ""},
			routed{"GET", "/Users", nil, ""},
			routed{"GET", "/a/./b", nil, "deep"},
			routed{"GET", "/a//b", nil, "deep"},
			routed{"GET", "/a%2Fb", nil, ""},
			routed{"GET", "/aXb", nil, ""},
			routed{"GET", "/a.b?/users", nil, "dot"},
			routed{"GET", "/a%20b", nil, "space"},
			routed{"GET", "/%c3%bc", nil, "letter"},
			routed{"GET", "/enc%2fslash", nil, "slash"},
			routed{"GET", "/rrrx", nil, "repeated"},
			routed{"GET", "/CASE", nil, "any-case"},
		)
	})
}

func TestF45_HostsAreComparedInTheirCase(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		k.routing(t, []string{
			ending("lower", `"hosts":["one.test"]`),
			ending("upper", `"hosts":["ONE.test"]`),
			ending("port", `"hosts":["port.test:81"]`),
			ending("left", `"hosts":["*.wild.test"]`),
			ending("right", `"hosts":["wild.*"]`),
		},
			routed{"GET", "/", []string{"Host", "one.test"}, "lower"},
			routed{"GET", "/", []string{"Host", "ONE.test"}, "upper"},
			routed{"GET", "/", []string{"Host", "One.test"}, ""},
			routed{"GET", "/", []string{"Host", "one.test:9"}, "lower"},
			routed{"GET", "/", []string{"Host", "port.test:81"}, "port"},
			routed{"GET", "/", []string{"Host", "port.test:82"}, ""},
			routed{"GET", "/", []string{"Host", "port.test"}, ""},
			routed{"GET", "/", []string{"Host", "a.b.wild.test"}, "left"},
			routed{"GET", "/", []string{"Host", "wild.other"}, "right"},
			routed{"GET", "/", []string{"Host", "wild"}, ""},
		)
	})
}

func TestF45_ValuesOfHeadersAreComparedWithoutCase(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		k.routing(t, []string{
			ending("list", `"headers":{"x-a":["One","2"]}`),
			ending("pattern", `"headers":{"x-a":["~*^v\\d+$"]}`),
			ending("both", `"headers":{"x-a":["2"],"x-b":["z"]}`),
		},
			routed{"GET", "/", []string{"X-A", "oNE"}, "list"},
			routed{"GET", "/", []string{"x-a", "V3"}, "pattern"},
			routed{"GET", "/", []string{"x-a", "v"}, ""},
			routed{"GET", "/", []string{"x-a", "2", "x-b", "Z"}, "both"},
			routed{"GET", "/", []string{"x-a", "2", "x-b", "y"}, "list"},
			routed{"GET", "/", nil, ""},
		)
	})
}

// TestF45_ThePathToTheUpstream: path_handling v1 is not looked at, what was matched is taken away, and slashes meet as one.
func TestF45_ThePathToTheUpstream(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"message":%q}`, r.Host+" "+r.RequestURI)
	}))
	t.Cleanup(srv.Close)
	at := strings.TrimPrefix(srv.URL, "http://")
	each(t, func(t *testing.T, k *target) {
		if k.root(t).Configuration.RouterFlavor == "traditional" {
			return // it heeds path_handling
		}
		text := fmt.Sprintf(`{"_format_version":"3.0","services":[
			{"name":"bare","url":%[1]q,"routes":[
				{"name":"strip","paths":["/strip"]},
				{"name":"keep","paths":["/keep"],"strip_path":false},
				{"name":"host","paths":["/host"],"preserve_host":true},
				{"name":"regex","paths":["~/regex/\\d+"]}]},
			{"name":"based","url":"%[1]s/base","routes":[{"name":"based","paths":["/based"]},{"name":"based-v1","paths":["/v1"],`+
			`"path_handling":"v1"}]},
			{"name":"slashed","url":"%[1]s/base/","routes":[{"name":"slashed","paths":["/slashed"]}]}]}`, srv.URL)
		k.load(t, text)
		k.served(t, "/strip", 200, at+" /")
		for target, want := range map[string]string{
			"/strip/x?q=/y": at + " /x?q=/y", "/strip//x/": at + " /x/", "/strip/%C3%BC": at + " /%C3%BC", "/strip/a%2fb": at + " /a%2Fb",
			"/strip/%7ea": at + " /~a",
			"/keep":       at + " /keep", "/keep/./x": at + " /keep/x", "/host/x": "front.test:81 /x", "/regex/12/x": at + " /x", "/stripped": at +
				" /ped",
			"/based": at + " /base", "/based/": at + " /base/", "/based/x": at + " /base/x", "/basedx": at + " /base/x", "/v1x": at + " /base/x",
			"/slashed": at + " /base", "/slashed/": at + " /base/", "/slashed/x": at + " /base/x",
		} {
			if got := get(t, k.proxy+target, "Host", "front.test:81"); got.message() != want {
				t.Errorf("%s: %s, want %s", target, got, want)
			}
		}
	})
}

// A value with a comma is one value: a list of a route that has its parts does not take it, as often as that is supposed.
func TestF45_AHeaderIsComparedWhole(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		k.routing(t, []string{ending("either", `"paths":["/a"],"headers":{"x-a":["1","2"]}`)},
			routed{"GET", "/a", []string{"X-A", "2"}, "either"},
			routed{"GET", "/a", []string{"X-A", "1,2"}, ""},
			routed{"GET", "/a", []string{"X-A", "1, 2"}, ""},
			routed{"GET", "/a", []string{"X-A", "12"}, ""},
		)
	})
}

func TestF45_APathThatLeavesTheRootIs400(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		k.load(t, routes(ending("root", `"paths":["/"]`)))
		k.served(t, "/", 200, "root")
		for path, want := range map[string]int{
			"/..": 400, "//../a": 400, "/%2e%2e/a": 400, "/x//../../a": 400, "/a%2F..%2F..": 400, "/a/..": 200, "/a/...": 200, "/..a": 200,
			"/a?x=/../..": 200,
		} {
			if got := ask(t, http.MethodGet, k.proxy+path, ""); got.code != want {
				t.Errorf("%s: %s, want %d", path, got, want)
			}
		}
	})
}
