package kong_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

const (
	randomSets     = 25
	randomRequests = 40 // of each set
)

// TestF45_RandomRoutesAreTakenAlike loads sets of routes that conflict into a real gateway and into a simulated one, and asks both the
// same: which route takes a request, and with which path and host it reaches the upstream.
func TestF45_RandomRoutesAreTakenAlike(t *testing.T) {
	real := live(t)
	flavor := real.root(t).Configuration.RouterFlavor
	if flavor != "traditional_compatible" {
		real.lacks(t, "the real gateway has the router flavor %s: only the order of the default one is simulated for all of these routes", flavor)
	}
	sim := simulate(t, kongtest.Options{RouterFlavor: flavor})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.RequestURI+" "+r.Host)
	}))
	defer upstream.Close()
	<-time.After(time.Second) // F43, after what an earlier test loaded
	alike, all := 0, 0
	for seed := range randomSets {
		r := rand.New(rand.NewPCG(uint64(seed), 45))
		text := randomSet(r, upstream.URL, seed)
		var rest <-chan time.Time
		for _, k := range []*target{sim, real} {
			k.load(t, text)
			k.served(t, "/", http.StatusOK, "", "Host", fmt.Sprintf("marker-%d.test", seed))
			rest = time.After(time.Second) // F43
		}
		for range randomRequests {
			method, path, header := randomRequest(r)
			want, err := try(t, method, real.proxy+path, "", header...)
			if err != nil {
				t.Fatal(err)
			}
			got := ask(t, method, sim.proxy+path, "", header...)
			all++
			if got.code != want.code || want.code == http.StatusOK && string(got.body) != string(want.body) {
				t.Errorf("set %d: %s %s with %q: the simulated gateway says %d %s, the real one %d %s\n%s", seed, method, path, header, got.code,
					got.body, want.code, want.body, text)
				continue
			}
			alike++
		}
		<-rest
	}
	t.Logf("%d of %d requests alike", alike, all)
}

func one(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

// some takes one or two of a list, without saying one twice.
func some(r *rand.Rand, of ...string) []string {
	first := one(r, of...)
	if second := one(r, of...); second != first && r.IntN(2) == 0 {
		return []string{first, second}
	}
	return []string{first}
}

// randomSet is a configuration of 2 to 8 routes, each with a service of its own, whose path names it.
func randomSet(r *rand.Rand, upstream string, seed int) string {
	type object = map[string]any
	services := []object{{"name": "marker", "url": upstream, "routes": []object{
		{"name": "marker", "hosts": []string{fmt.Sprintf("marker-%d.test", seed)}, "paths": []string{"/"}}}}}
	for i := range 2 + r.IntN(7) {
		route := object{"name": fmt.Sprintf("r%d", i)}
		for len(route) == 1 {
			if r.IntN(2) == 0 {
				route["hosts"] = some(r, "one.test", "ONE.test", "two.test", "*.one.test", "one.*", "api.one.test:8000")
			}
			if r.IntN(5) > 0 {
				route["paths"] = some(r, "/", "/a", "/a/", "/A", "/ab", "/a/b", "/a.b", `~/a/\d+`, `~/a/\d{2,}$`, "~/a/b$", "~/$", "~/(?i)case",
					"~/[ab]/.*", "~/x{2,3}")
			}
			if r.IntN(3) == 0 {
				route["methods"] = some(r, "GET", "POST", "PUT")
			}
			if r.IntN(4) == 0 {
				route["headers"] = object{"x-a": some(r, "1", "2", `~*^v\d+$`)}
			}
		}
		if hosts, ok := route["hosts"].([]string); ok && len(route) == 5 && strings.Contains(strings.Join(hosts, " "), "*") {
			delete(route, "headers") // all four kinds of criteria and a wildcard can end a router for good: stray_test.go
		}
		for name, values := range map[string][]any{"strip_path": {true, false}, "preserve_host": {true, false}, "regex_priority": {0, 1, 5}} {
			route[name] = values[r.IntN(len(values))]
		}
		services = append(services, object{"name": route["name"], "url": upstream + "/r" + fmt.Sprint(i) + one(r, "", "/", "/base", "/base/"),
			"routes": []object{route}})
	}
	text, _ := json.Marshal(object{"_format_version": "3.0", "services": services})
	return string(text)
}

func randomRequest(r *rand.Rand) (method, path string, header []string) {
	header = []string{"Host", one(r, "one.test", "ONE.test", "two.test", "x.one.test", "api.one.test:8000", "one.example", "one.test:9",
		"other")}
	if r.IntN(2) == 0 {
		header = append(header, "X-A", one(r, "1", "2", "1,2", "v12", "V3"))
	}
	return one(r, "GET", "POST", "PUT"), one(r, "/", "/a", "/a/", "/A", "/ab", "/a/b", "/a/b/", "/a.b", "/axb", "/a/12", "/a/1", "/a//b",
		"/a/../b", "/a/%2E%2E/b", "/a/./b", "/%61",
		"/a%2Fb", "/a;p", "/a?q=1", "/a/b?x=/c", "/case", "/CASE", "/b/zz", "/xx", "/xxxx", "/%C3%BC", "/nope", "/../a", "/a/b/../../c"), header
}
