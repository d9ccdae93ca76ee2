package kongtest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/proof"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// largeText is a configuration of n routes, each with a name and two methods.
func largeText(n int) string {
	var out strings.Builder
	out.WriteString("{\"_format_version\":\"3.0\",\n\"routes\":[\n")
	for i := range n {
		if i > 0 {
			out.WriteString(",\n")
		}
		fmt.Fprintf(&out,
			`{"hosts":["h%d.example.com"],"id":"00000000-0000-4000-8000-%012d","methods":["GET","POST"],"name":"route-%d",`+
				`"paths":["/api/v1/resource-%d"],"preserve_host":false,"protocols":["http","https"],"regex_priority":0,`+
				`"service":{"id":"11111111-1111-4111-8111-111111111111"},"strip_path":true,"tags":["team-%d","generated"]}`, i%50, i, i, i, i%9)
	}
	out.WriteString(
		"\n],\n\"services\":[\n{\"host\":\"127.0.0.1\",\"id\":\"11111111-1111-4111-8111-111111111111\",\"name\":\"s\",\"port\":9}\n]}\n")
	return out.String()
}

func route(name, fields string) string {
	return fmt.Sprintf(`{"name":%q,%s,"plugins":[{"name":"request-termination","config":{"status_code":200,"message":%q}}]}`, name, fields,
		name)
}

func TestTheProxyRoutes(t *testing.T) {
	g := kongtest.Start(t, kongtest.SwitchAfter(0))
	mustPost(t, g, `{"_format_version":"3.0","routes":[`+strings.Join([]string{
		route("short", `"paths":["/a"]`),
		route("long", `"paths":["/a/b"]`),
		route("regex", `"paths":["~/a/b/[0-9]+$"]`),
		route("host", `"hosts":["api.example.com"]`),
		route("host-and-path", `"hosts":["api.example.com"],"paths":["/a"]`),
		route("wildcard", `"hosts":["*.example.com"]`),
		route("plain-beside-wildcard", `"hosts":["plain.example.com"]`),
		route("right-wildcard", `"hosts":["shop.*"]`),
		route("post", `"methods":["POST"],"paths":["/a"]`),
		route("header", `"headers":{"X-Beta":["yes","on"]},"paths":["/a"]`),
		route("secure", `"paths":["/secure"],"protocols":["https"]`),
	}, ",")+`]}`)
	cases := []struct{ method, path, host, header, want string }{
		{"GET", "/a", "", "", "short"},
		{"GET", "/a/x", "", "", "short"},
		{"GET", "/a/b/c", "", "", "long"},
		{"GET", "/a/b/17", "", "", "regex"},
		{"GET", "/z", "api.example.com", "", "host"},
		{"GET", "/z", "api.example.com:8000", "", "host"},
		{"GET", "/z", "API.example.com", "", "wildcard"}, // the host is compared in its case (F45)
		{"GET", "/a/b", "api.example.com", "", "host-and-path"},
		{"GET", "/z", "www.example.com", "", "wildcard"},
		{"GET", "/z", "plain.example.com", "", "plain-beside-wildcard"},
		{"GET", "/z", "shop.test", "", "right-wildcard"},
		{"POST", "/a", "", "", "post"},
		{"GET", "/a", "", "yes", "header"},
		{"GET", "/a", "", "no", "short"},
		{"GET", "/z", "", "", "no Route matched with those values"},
	}
	for _, c := range cases {
		got := ask(t, c.method, g.ProxyURL()+c.path, "", "Host", c.host, "X-Beta", c.header)
		if got.message() != c.want {
			t.Errorf("%s %s of host %q, X-Beta %q: got %d %s, want %s", c.method, c.path, c.host, c.header, got.status, got.body, c.want)
		}
	}
	expect(t, get(t, g.ProxyURL()+"/secure"), 426, "Please use HTTPS protocol")
}

func TestTheProxyForwards(t *testing.T) {
	srv := echo(t)
	host := strings.TrimPrefix(srv.URL, "http://")
	g := kongtest.Start(t, kongtest.SwitchAfter(0))
	mustPost(t, g, fmt.Sprintf(`{"_format_version":"3.0","services":[
		{"name":"plain","url":%q,"routes":[
			{"name":"strip","paths":["/strip"]},
			{"name":"root","paths":["/root/"]},
			{"name":"keep","paths":["/keep"],"strip_path":false},
			{"name":"host","paths":["/host"],"preserve_host":true}]},
		{"name":"based","url":"%s/base","routes":[{"name":"based","paths":["/based"]}]},
		{"name":"rooted","url":"%s/","routes":[{"name":"rooted","paths":["/rooted"]}]},
		{"name":"both","url":"%s/both","protocol":"https","host":"nowhere.test","port":1,"path":"/other","routes":[{"name":"both",`+
		`"paths":["/both"]}]},
		{"name":"part","url":"%s","path":"/part","routes":[{"name":"part","paths":["/part"]}]},
		{"name":"balanced","host":"pool","routes":[{"name":"balanced","paths":["/balanced"]}]},
		{"name":"down","url":"http://127.0.0.1:1","routes":[{"name":"down","paths":["/down"]}]}],
		"upstreams":[{"name":"pool","targets":[{"target":%q}]}],
		"routes":[{"name":"nowhere","paths":["/nowhere"]}]}`, srv.URL, srv.URL, srv.URL, srv.URL, srv.URL, host))
	cases := []struct{ path, wantPath, wantHost, wantPrefix string }{
		{"/strip", "/", host, "/strip"},
		{"/strip/x", "/x", host, "/strip"},
		{"/root/x", "/x", host, "/root/"},
		{"/keep/x", "/keep/x", host, ""},
		{"/host/x", "/x", "front.test", "/host"},
		{"/based", "/base", host, "/based"},
		{"/based/x", "/base/x", host, "/based"},
		{"/rooted", "/", host, "/rooted"},
		{"/rooted/x", "/x", host, "/rooted"},
		{"/both/x", "/both/x", host, "/both"},
		{"/part/x", "/part/x", host, "/part"},
		{"/balanced/x", "/x", host, "/balanced"},
	}
	for _, c := range cases {
		got := ask(t, http.MethodPost, g.ProxyURL()+c.path, "ping", "Host", "front.test")
		seen := []string{got.header.Get("X-Seen-Path"), got.header.Get("X-Seen-Host"), got.header.Get("X-Seen-Prefix")}
		if want := []string{c.wantPath, c.wantHost, c.wantPrefix}; strings.Join(seen, " ") != strings.Join(want, " ") ||
			string(got.body) != "ping" {
			t.Errorf("%s: %d, the service saw %q, want %q; body %q", c.path, got.status, seen, want, got.body)
		}
		if !strings.HasPrefix(got.header.Get("Via"), "1.1 kong/") {
			t.Errorf("Via is %q", got.header.Get("Via"))
		}
	}
	expect(t, get(t, g.ProxyURL()+"/down"), 502, "An invalid response was received from the upstream server")
	expect(t, get(t, g.ProxyURL()+"/nowhere"), 503, "no Service found with those values")
}

func TestF26_WorkersTurnAfterThe201(t *testing.T) {
	g := kongtest.Start(t, kongtest.Workers(2), kongtest.SwitchAfter(0))
	mustPost(t, g, terminating("old"))
	g.WorkersStuck(true)
	mustPost(t, g, terminating("new"))
	if g.Hash() != md5Hex(terminating("new")) {
		t.Error("the hash changes with the 201")
	}
	for range 4 {
		expect(t, get(t, g.ProxyURL()), 200, "old")
	}
	g.WorkersStuck(false)
	for range 4 {
		expect(t, get(t, g.ProxyURL()), 200, "new")
	}
}

func TestF26_WorkersTurnByThemselves(t *testing.T) {
	g := kongtest.Start(t, kongtest.Workers(2))
	mustPost(t, g, terminating("a"))
	for {
		if got := get(t, g.ProxyURL()); got.message() == "a" {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("the workers never turned")
		}
	}
}

var digest = fleet.Digest("sha256:" + strings.Repeat("ab", 32))

func proofText(t *testing.T, canonical string, form proof.Form, opts proof.Options) string {
	t.Helper()
	posted, err := proof.Insert([]byte(canonical), digest, form, opts)
	if err != nil {
		t.Fatal(err)
	}
	return string(posted)
}

const onlyKeyAuth = "{\"_format_version\":\"3.0\",\n" +
	"\"plugins\":[\n{\"id\":\"33333333-3333-4333-8333-333333333333\",\"name\":\"key-auth\"}\n]}\n"

func askProof(t *testing.T, g *kongtest.Gateway) reply {
	t.Helper()
	return get(t, g.ProxyURL()+proof.Path, "Host", proof.Host, proof.Header, proof.HeaderValue)
}

func TestF39_TheReservedRouteNamesEveryWorker(t *testing.T) {
	g := kongtest.Start(t, kongtest.Workers(3), kongtest.SwitchAfter(0))
	text := proofText(t, onlyKeyAuth, proof.Worker, proof.Options{})
	mustPost(t, g, text)
	if g.Hash() != string(fleet.GatewayHashOf([]byte(text))) {
		t.Error("the gateway hash is not the one foreseen")
	}
	seen := map[int]bool{}
	for range 3 {
		answer, err := proof.ParseAnswer(askProof(t, g).body)
		if err != nil || answer.Digest != digest || answer.Workers != 3 {
			t.Fatalf("got %+v, %v", answer, err)
		}
		seen[answer.Worker] = true
	}
	if len(seen) != 3 {
		t.Errorf("fresh connections reached workers %v", seen)
	}
	expect(t, get(t, g.ProxyURL()+proof.Path), 404, "")
}

func TestF39_AKeptConnectionStaysWithItsWorker(t *testing.T) {
	g := kongtest.Start(t, kongtest.Workers(2), kongtest.SwitchAfter(0))
	mustPost(t, g, proofText(t, onlyKeyAuth, proof.Worker, proof.Options{}))
	transport := &http.Transport{MaxConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	seen := map[float64]bool{}
	for range 4 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.ProxyURL()+proof.Path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = proof.Host
		req.Header.Set(proof.Header, proof.HeaderValue)
		res, err := (&http.Client{Transport: transport}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var said struct{ Worker float64 }
		err = json.NewDecoder(res.Body).Decode(&said)
		_ = res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		seen[said.Worker] = true
	}
	if len(seen) != 1 {
		t.Errorf("one connection reached workers %v", seen)
	}
}

func TestF40_RequestTerminationRunsAfterGlobalAuth(t *testing.T) {
	g := kongtest.Start(t, kongtest.SwitchAfter(0))
	mustPost(t, g, proofText(t, onlyKeyAuth, proof.Route, proof.Options{}))
	expect(t, askProof(t, g), 401, "No API key found in request")
	mustPost(t, g, proofText(t, "{\"_format_version\":\"3.0\"}\n", proof.Route, proof.Options{}))
	answer, err := proof.ParseAnswer(askProof(t, g).body)
	if err != nil || answer.Digest != digest || answer.Workers != 0 {
		t.Errorf("got %+v, %v", answer, err)
	}
}

func TestF41_WithoutLuaTheReplyIsEmpty(t *testing.T) {
	g := kongtest.Start(t, kongtest.SwitchAfter(0), func(o *kongtest.Options) { o.UntrustedLua = "off" })
	mustPost(t, g, proofText(t, "{\"_format_version\":\"3.0\"}\n", proof.Worker, proof.Options{}))
	expect(t, get(t, g.StatusURL()+"/status/ready"), 200, "ready")
	if got, err := try(t, http.MethodGet, g.ProxyURL()+proof.Path, "", "Host", proof.Host, proof.Header, proof.HeaderValue); err == nil {
		t.Errorf("got %d %s", got.status, got.body)
	}
	expect(t, get(t, g.ProxyURL()+"/other"), 404, "")
}

func TestF42_ExpressionsNeedTheHighestPriority(t *testing.T) {
	g := kongtest.Start(t, kongtest.SwitchAfter(0), func(o *kongtest.Options) { o.RouterFlavor = "expressions" })
	greedy := "{\"_format_version\":\"3.0\",\n\"routes\":[\n" + route("greedy", `"expression":"http.path ^= \"/\"","priority":1000`) + "\n]}\n"
	mustPost(t, g, proofText(t, greedy, proof.Worker, proof.Options{}))
	expect(t, askProof(t, g), 200, "greedy")
	mustPost(t, g, proofText(t, greedy, proof.Worker, proof.Options{Expressions: true}))
	if _, err := proof.ParseAnswer(askProof(t, g).body); err != nil {
		t.Error(err)
	}
	expect(t, get(t, g.ProxyURL()+"/x"), 200, "greedy")
}

func TestF42_TheReservedRouteWinsOverRoutesForItsHost(t *testing.T) {
	greedy := "{\"_format_version\":\"3.0\",\n\"routes\":[\n" + strings.Join([]string{
		route("catch-all", `"paths":["/"]`),
		route("host", `"hosts":["silverback.internal"],"paths":["/"]`),
		route("host-and-method", `"hosts":["silverback.internal"],"methods":["GET"],"paths":["/"]`),
		route("wildcard", `"hosts":["*.internal"],"methods":["GET","HEAD"],"paths":["/.well-known"]`),
		route("regex", `"hosts":["*.internal"],"methods":["GET"],"paths":["~/.*"],"regex_priority":1000`),
	}, ",\n") + "\n]}\n"
	for _, flavor := range []string{"traditional_compatible", "traditional"} {
		g := kongtest.Start(t, kongtest.SwitchAfter(0), func(o *kongtest.Options) { o.RouterFlavor = flavor })
		mustPost(t, g, proofText(t, greedy, proof.Worker, proof.Options{}))
		if answer, err := proof.ParseAnswer(askProof(t, g).body); err != nil || answer.Digest != digest {
			t.Errorf("%s: %+v, %v", flavor, answer, err)
		}
		expect(t, get(t, g.ProxyURL()+"/else", "Host", proof.Host), 200, "host-and-method")
		expect(t, get(t, g.ProxyURL()+proof.Path, "Host", proof.Host), 200, "host-and-method")
	}
}

func TestLuaIsConfined(t *testing.T) {
	g := kongtest.Start(t, kongtest.SwitchAfter(0))
	run := func(source string) reply {
		quoted, _ := json.Marshal(source)
		mustPost(t, g, `{"_format_version":"3.0","routes":[{"name":"r","paths":["/"],"plugins":[{"name":"pre-function","config":{"access":[`+
			string(quoted)+`]}}]}]}`)
		return get(t, g.ProxyURL())
	}
	expect(t, run(`return kong.response.exit(200, {message = kong.client.get_ip()})`), 200, "127.0.0.1")
	expect(t, run(`return kong.response.exit(200, {message = type(os) .. type(io) .. type(require) .. type(load)})`), 200, "nilnilnilnil")
	expect(t, run(`return kong.nosuch.field`), 500, "An unexpected error occurred")
	expect(t, run(`while true do end`), 500, "An unexpected error occurred")
}
