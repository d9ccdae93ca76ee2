package translate_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/internal/conformance"
	"github.com/silverback-gateway/silverback/sources/kubernetes/status"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// conformanceCase is a manifest of the Gateway API's conformance suite, with the requests that the suite sends.
type conformanceCase struct {
	Name     string
	Inputs   []string
	Base     string
	Features []string
	Tests    []conformanceTest
}

type conformanceTest struct {
	Test     string
	Features []string
	Requests []conformanceRequest
}

// missed are the cases with only declared features some of whose requests go elsewhere; docs/kubernetes.md says why.
var missed = []string{"httproute-multiple-gateways"}

// declared says whether a GatewayClass of ours declares all features of a case.
func (c conformanceCase) declared(expressions bool) bool {
	for _, wanted := range c.Features {
		if !slices.ContainsFunc(status.Features(expressions), func(f gateway.SupportedFeature) bool { return string(f.Name) == wanted }) {
			return false
		}
	}
	return true
}

type conformanceRequest struct {
	Backend, Namespace string
	Request            struct {
		Host         json.RawMessage // null where it is not known, which is not the same as absent
		Path, Method string
		Headers      map[string]string
	}
	EchoRequest     map[string]any
	RequestMetadata *struct {
		Authority string
		Metadata  map[string]string
	}
	ExpectedRequest struct {
		Request struct {
			Path, Host string
			Headers    map[string]string
		}
		AbsentHeaders []string
	}
	BackendSetResponseHeaders map[string]string
	Response                  struct {
		Code          string
		StatusCode    *int
		StatusCodes   []int
		Headers       map[string]string
		AbsentHeaders []string
	}
	RedirectRequest *struct{ Scheme, Host, Port, Path string }
}

// statuses are those that the answer may have; none where the recording does not say.
func (r conformanceRequest) statuses() []int {
	switch {
	case len(r.Response.StatusCodes) > 0:
		return r.Response.StatusCodes
	case r.Response.StatusCode != nil:
		return []int{*r.Response.StatusCode}
	case r.Response.Code == "Unimplemented":
		return []int{http.StatusNotFound}
	}
	return []int{http.StatusOK}
}

// unknown says whether a part of the request was computed when the suite ran, so that it is not recorded.
func (r conformanceRequest) unknown() bool {
	return strings.Contains(r.Request.Path, "unresolved") || string(r.Request.Host) == "null"
}

func (r conformanceRequest) host() string { return strings.Trim(string(r.Request.Host), `"`) }

// TestConformance sends the recorded requests of the suite to a simulated gateway that has the translation of its manifests, and judges
// the route that it took by what its plugins, its service and its targets do. Of the requests of tests that Kong Ingress Controller or
// Kong Operator was published to pass with the router flavor, 95 % must be right.
func TestConformance(t *testing.T) {
	for _, flavor := range []string{"traditional_compatible", "expressions"} {
		t.Run(flavor, func(t *testing.T) { conformAll(t, simulated(flavor), flavor) })
	}
}

// TestConformanceOnARealGateway is TestConformance with a Kong that runs already, in the flavor that it has. It is given the configuration
// of each case and is left with that of the last one.
func TestConformanceOnARealGateway(t *testing.T) {
	start, flavor := realGateway(t)
	conformAll(t, start, flavor)
}

// realGateway is a Kong that runs already, and its router flavor.
func realGateway(t *testing.T) (start func(*testing.T) gatewayUnderTest, flavor string) {
	t.Helper()
	g := gatewayUnderTest{admin: os.Getenv("SILVERBACK_TEST_KONG_ADMIN"), proxy: os.Getenv("SILVERBACK_TEST_KONG_PROXY"), pause: loadPause}
	if g.admin == "" || g.proxy == "" {
		t.Skip("SILVERBACK_TEST_KONG_ADMIN and SILVERBACK_TEST_KONG_PROXY name no real gateway; see docs/kong.md")
	}
	answer, err := http.Get(g.admin)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var root struct {
		Configuration struct {
			Flavor string `json:"router_flavor"`
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&root); err != nil {
		t.Fatal(err)
	}
	return func(*testing.T) gatewayUnderTest { return g }, root.Configuration.Flavor
}

// loadPause is longer than a real gateway takes to turn to a small configuration after its 201, and than the 0.3 s between loads below
// which a worker may be left behind (facts F26 and F43).
const loadPause = time.Second

// A gatewayUnderTest is sent configurations and requests.
type gatewayUnderTest struct {
	admin, proxy string        // URLs
	pause        time.Duration // after each load
}

// simulated returns what starts a simulated gateway for a test.
func simulated(flavor string) func(*testing.T) gatewayUnderTest {
	return func(t *testing.T) gatewayUnderTest {
		return listeners(kongtest.Start(t, kongtest.SwitchAfter(0), func(o *kongtest.Options) { o.RouterFlavor = flavor }))
	}
}

func listeners(g *kongtest.Gateway) gatewayUnderTest {
	return gatewayUnderTest{admin: g.AdminURL(), proxy: g.ProxyURL()}
}

// conformAll runs all cases, each on the gateway that start gives it.
func conformAll(t *testing.T, start func(*testing.T) gatewayUnderTest, flavor string) {
	t.Helper()
	dir := corpus(t, "gateway-api")
	text, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Cases []conformanceCase }
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	runs := passings(t, dir, flavor)
	var theirs, others score
	for _, c := range list.Cases {
		var results []score
		if !t.Run(c.Name, func(t *testing.T) { results = conform(t, start(t), dir, c, flavor) }) {
			continue
		}
		var all score
		for i, result := range results {
			all.add(result)
			if passed(runs, c.Tests[i]) {
				theirs.add(result)
			} else {
				others.add(result)
			}
		}
		if c.declared(flavor == "expressions") && all.right < all.sent && !slices.Contains(missed, c.Name) {
			t.Errorf("%s: its features are declared, and %d of %d requests are right", c.Name, all.right, all.sent)
		}
	}
	t.Logf("%d of %d requests of tests that a controller of Kong passes are as recorded, and %d of %d of the others", theirs.right,
		theirs.sent, others.right, others.sent)
	if theirs.right*100 < theirs.sent*95 || theirs.sent < 50 {
		t.Errorf("%d of %d requests are as recorded, want 95 %%", theirs.right, theirs.sent)
	}
}

// score counts requests, and those that were answered as recorded.
type score struct{ right, sent int }

func (s *score) add(more score) { s.right, s.sent = s.right+more.right, s.sent+more.sent }

// conform sends the requests of a case and returns a score for each of its tests.
func conform(t *testing.T, g gatewayUnderTest, dir string, c conformanceCase, flavor string) (scores []score) {
	t.Helper()
	set := conformance.Set(t, filepath.Join(dir, c.Base), filepath.Join(dir, c.Inputs[0]))
	result := translate.Translate(set, translate.Options{
		Expressions: flavor == "expressions", GatewayController: conformance.Controller, Attach: true, RedirectPlugin: true,
	})
	post(t, g, probe(result.Config))
	for _, test := range c.Tests {
		var s score
		for i, r := range test.Requests {
			if r.unknown() {
				continue
			}
			s.sent++
			if why := ask(t, g, result.Config, r); why == "" {
				s.right++
			} else {
				t.Logf("%s, request %d to %s%s %v: %s", test.Test, i, r.host(), r.Request.Path, r.RequestMetadata, why)
			}
		}
		scores = append(scores, s)
	}
	return scores
}

// probe is a configuration whose routes answer with their names, unless they redirect. Which listener a request comes to is not recorded,
// and the simulation speaks HTTP only: so every route is one of HTTP.
func probe(config declarative.Config) declarative.Config {
	made := declarative.Config{FormatVersion: config.FormatVersion}
	for _, s := range config.Services {
		s.Plugins, s.Routes, s.Host, s.Protocol = nil, slices.Clone(s.Routes), "127.0.0.1", "http"
		s.ClientCertificate, s.CACertificates, s.TLSVerify, s.TLSVerifyDepth = "", nil, nil, nil
		s.Routes = slices.DeleteFunc(s.Routes, func(r declarative.Route) bool { return len(r.Destinations)+len(r.SNIs) > 0 || isStream(r) })
		for i := range s.Routes {
			s.Routes[i].Protocols = []string{"http", "https"}
			if slices.ContainsFunc(s.Routes[i].Plugins, redirects) {
				continue
			}
			s.Routes[i].Plugins = []declarative.Plugin{{Name: "request-termination", Config: declarative.Fields{
				"status_code": http.StatusOK, "message": s.Routes[i].Name,
			}}}
		}
		made.Services = append(made.Services, s)
	}
	return made
}

// redirects says whether a plugin answers with a redirection.
func redirects(p declarative.Plugin) bool { return p.Name == "redirect" || p.Name == "post-function" }

func isStream(r declarative.Route) bool {
	return slices.ContainsFunc(r.Protocols, func(p string) bool { return p == "tcp" || p == "udp" || strings.HasPrefix(p, "tls") })
}

func post(t *testing.T, g gatewayUnderTest, config declarative.Config) {
	t.Helper()
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Post(g.admin+"/config", "application/json", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		said, _ := io.ReadAll(answer.Body)
		t.Fatalf("the gateway refuses the configuration: %s\n%s", said, text)
	}
	<-time.After(g.pause) // Kong does not tell when every worker has it
}

// ask sends one request and says what is wrong with the answer; nothing if it is as recorded.
func ask(t *testing.T, g gatewayUnderTest, config declarative.Config, r conformanceRequest) string {
	t.Helper()
	if strings.HasPrefix(r.Backend, "tls-backend") {
		return askTLS(config, r)
	}
	host, path := r.host(), cmp.Or(r.Request.Path, "/")
	headers := r.Request.Headers
	if r.RequestMetadata != nil || r.EchoRequest != nil {
		path = "/gateway_api_conformance.echo_basic.grpcecho.GrpcEcho/Echo"
		if r.RequestMetadata != nil {
			host, headers = r.RequestMetadata.Authority, r.RequestMetadata.Metadata
		}
	}
	request, err := http.NewRequest(cmp.Or(r.Request.Method, http.MethodGet), g.proxy+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = cmp.Or(host, "any.example")
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	answer, err := http.DefaultTransport.RoundTrip(request) // follows no redirection
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if location := answer.Header.Get("Location"); location != "" {
		return judgeRedirect(location, request, answer.StatusCode, r)
	}
	if answer.StatusCode != http.StatusOK {
		return expectStatus(r, answer.StatusCode)
	}
	var said struct{ Message string }
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil {
		return err.Error()
	}
	for _, s := range config.Services {
		for _, route := range s.Routes {
			if route.Name == said.Message {
				return judge(config, s, route, request, r)
			}
		}
	}
	return "no route is called " + said.Message
}

func expectStatus(r conformanceRequest, status int) string {
	if slices.Contains(r.statuses(), status) {
		return ""
	}
	return fmt.Sprintf("status %d, want %v", status, r.statuses())
}

// judge says what is wrong with how a route and its service answer a request.
func judge(config declarative.Config, s declarative.Service, route declarative.Route, sent *http.Request, r conformanceRequest) string {
	plugins := map[string]declarative.Fields{}
	for _, p := range slices.Concat(s.Plugins, route.Plugins) {
		plugins[p.Name] = p.Config
	}
	if end, ok := plugins["request-termination"]; ok {
		return expectStatus(r, end["status_code"].(int))
	}
	if delay, err := time.ParseDuration(sent.URL.Query().Get("delay")); err == nil && delay.Milliseconds() > int64(s.ReadTimeout) {
		return expectStatus(r, http.StatusGatewayTimeout)
	}
	if r.Response.StatusCode != nil && *r.Response.StatusCode != http.StatusOK {
		return fmt.Sprintf("route %s, want status %d", route.Name, *r.Response.StatusCode)
	}
	if r.Backend != "" && !slices.Contains(servicesBehind(config, s.Host), r.Namespace+"/"+r.Backend) {
		return fmt.Sprintf("route %s to %v, want %s/%s", route.Name, servicesBehind(config, s.Host), r.Namespace, r.Backend)
	}
	return judgeChanges(plugins, route, sent, r)
}

// servicesBehind lists the Services whose endpoint an upstream sends requests to.
func servicesBehind(config declarative.Config, host string) []string {
	var found []string
	for _, u := range config.Upstreams {
		if u.Name != host {
			continue
		}
		for _, target := range u.Targets {
			if target.Weight == nil || *target.Weight > 0 {
				found = append(found, strings.Replace(strings.TrimSuffix(strings.Split(target.Target, ":")[0], ".test"), ".", "/", 1))
			}
		}
	}
	return found
}

// judgeRedirect says what is wrong with a redirection. What the recording does not name is as in the request.
func judgeRedirect(location string, sent *http.Request, status int, r conformanceRequest) string {
	if r.RedirectRequest == nil {
		return "a redirection"
	}
	to, err := url.Parse(location)
	if err != nil {
		return err.Error()
	}
	want := *r.RedirectRequest
	for _, part := range []struct{ got, want string }{
		{to.Hostname(), cmp.Or(want.Host, sent.Host)}, {to.Scheme, cmp.Or(want.Scheme, "http")}, {to.Port(), want.Port},
		{to.Path, cmp.Or(want.Path, sent.URL.Path)},
	} {
		if part.got != part.want {
			return fmt.Sprintf("a redirection to %s, want %+v", to, want)
		}
	}
	return expectStatus(r, status)
}

// judgeChanges says what is wrong with how plugins change a request and its answer.
func judgeChanges(plugins map[string]declarative.Fields, route declarative.Route, sent *http.Request, r conformanceRequest) string {
	request, response := plugins["request-transformer"], plugins["response-transformer"]
	if want := r.ExpectedRequest.Request.Path; want != "" {
		if got := rewritten(request, route, sent.URL.Path); got != want {
			return fmt.Sprintf("the backend sees %s, want %s", got, want)
		}
	}
	seen := transformed(request, sent.Header)
	if why := expectHeaders("the request", seen, r.ExpectedRequest.Request.Headers, r.ExpectedRequest.AbsentHeaders); why != "" {
		return why
	}
	answered := http.Header{}
	for name, value := range r.BackendSetResponseHeaders {
		answered.Set(name, value)
	}
	return expectHeaders("the answer", transformed(response, answered), r.Response.Headers, r.Response.AbsentHeaders)
}

func expectHeaders(where string, got http.Header, want map[string]string, absent []string) string {
	for name, value := range want {
		if has := strings.Join(got.Values(name), ","); has != value {
			return fmt.Sprintf("%s has %s: %q, want %q", where, name, has, value)
		}
	}
	for _, name := range absent {
		if got.Values(name) != nil {
			return fmt.Sprintf("%s has %s", where, name)
		}
	}
	return ""
}

// transformed is what a transformer makes of headers, in the order of Kong: remove, replace, add, append.
func transformed(config declarative.Fields, headers http.Header) http.Header {
	headers = headers.Clone()
	each := func(part string, do func(name, value string)) {
		fields, _ := config[part].(declarative.Fields)
		texts, _ := fields["headers"].([]string)
		for _, text := range texts {
			name, value, _ := strings.Cut(text, ":")
			do(name, value)
		}
	}
	each("remove", func(name, _ string) { headers.Del(name) })
	each("replace", func(name, value string) {
		if headers.Values(name) != nil {
			headers.Set(name, value)
		}
	})
	each("add", func(name, value string) {
		if headers.Values(name) == nil {
			headers.Set(name, value)
		}
	})
	each("append", headers.Add)
	return headers
}

var (
	pathRegex = regexp.MustCompile(`http\.path ~ "([^"]*)"`)
	ternary   = regexp.MustCompile(`\$\(uri_captures\[1\] == nil and "(.*)" or ("/" \.\. )?uri_captures\[1\]\)`)
)

// rewritten is the path that a backend sees: the template of a transformer, with what the route captures of the path.
func rewritten(config declarative.Fields, route declarative.Route, path string) string {
	replace, _ := config["replace"].(declarative.Fields)
	template, ok := replace["uri"].(string)
	if !ok {
		return path
	}
	var patterns []string
	for _, p := range route.Paths {
		if regex, ok := strings.CutPrefix(p, "~"); ok {
			patterns = append(patterns, "^"+regex)
		}
	}
	if route.Expression != nil {
		for _, found := range pathRegex.FindAllStringSubmatch(*route.Expression, -1) {
			patterns = append(patterns, found[1])
		}
	}
	var captured *string
	for _, pattern := range patterns {
		if found := regexp.MustCompile(pattern).FindStringSubmatch(path); len(found) > 1 {
			captured = &found[1]
		}
	}
	if parts := ternary.FindStringSubmatch(template); parts != nil {
		value := parts[1]
		if captured != nil {
			value = *captured
			if parts[2] != "" {
				value = "/" + value
			}
		}
		return ternary.ReplaceAllLiteralString(template, value)
	}
	value := ""
	if captured != nil {
		value = *captured
	}
	return strings.ReplaceAll(template, "$(uri_captures[1])", value)
}

// askTLS judges by its SNI which service a stream of TLS goes to.
func askTLS(config declarative.Config, r conformanceRequest) string {
	var best, service string
	for _, s := range config.Services {
		for _, route := range s.Routes {
			if !isStream(route) {
				continue
			}
			for _, name := range sniNames(route) {
				suffix, wildcard := strings.CutPrefix(name, "*")
				if (name == r.host() || wildcard && strings.HasSuffix(r.host(), suffix)) && len(name) > len(best) {
					best, service = name, s.Host
				}
			}
		}
	}
	if slices.Contains(servicesBehind(config, service), r.Namespace+"/"+r.Backend) {
		return ""
	}
	return fmt.Sprintf("a stream for %s goes to %q", r.host(), service)
}

var sniPredicate = regexp.MustCompile(`tls\.sni (==|=\^) "([^"]*)"`)

func sniNames(route declarative.Route) []string {
	if route.Expression == nil {
		return route.SNIs
	}
	var names []string
	for _, found := range sniPredicate.FindAllStringSubmatch(*route.Expression, -1) {
		if found[1] == "==" {
			names = append(names, found[2])
		} else {
			names = append(names, "*"+found[2])
		}
	}
	return names
}
