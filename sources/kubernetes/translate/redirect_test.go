package translate_test

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/internal/conformance"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// redirecting is a cluster with an HTTPRoute that redirects /old.
func redirecting(listeners, metadata, hosts, filter string) string {
	return fmt.Sprintf(`
{apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {name: kong}, spec: {controllerName: %s}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: web}
spec: {gatewayClassName: kong, listeners: [%s]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: moved, namespace: web%s}
spec:
  parentRefs: [{name: edge}]
  hostnames: [%s]
  rules:
  - matches: [{path: {type: PathPrefix, value: /old}}]
    filters: [{type: RequestRedirect, requestRedirect: {%s}}]
`, conformance.Controller, listeners, metadata, hosts, filter)
}

const (
	plainListener   = "{name: http, port: 80, protocol: HTTP}"
	anotherListener = "{name: another, port: 8080, protocol: HTTP}"
)

// TestARedirectionIsAnsweredAsTheGatewayAPISays asks simulated gateways.
func TestARedirectionIsAnsweredAsTheGatewayAPISays(t *testing.T) {
	for _, flavor := range []string{"traditional_compatible", "expressions"} {
		redirectAll(t, simulated(flavor), flavor)
	}
}

// TestRedirectionsOfARealGateway is the same with a Kong that runs already.
func TestRedirectionsOfARealGateway(t *testing.T) {
	start, flavor := realGateway(t)
	redirectAll(t, start, flavor)
}

// redirectAll asks a gateway for what filters make of a request for /old of one.example.
func redirectAll(t *testing.T, start func(*testing.T) gatewayUnderTest, flavor string) {
	t.Helper()
	expressions := flavor == "expressions"
	for title, c := range map[string]struct {
		listeners, metadata, hosts, filter string
		host, path                         string // of the request; empty is one.example and /old/cart?a=1
		plugin, location                   string
		status                             int
	}{
		"the host of the request": {
			filter: "statusCode: 307", plugin: "post-function", location: "http://one.example/old/cart?a=1", status: 307,
		},
		"the only host": {
			hosts: "one.example", filter: "statusCode: 307", plugin: "redirect", location: "http://one.example/old/cart?a=1", status: 307,
		},
		"one host of several": {
			// With expressions each host has a route of its own.
			hosts: "one.example, two.example", filter: "statusCode: 308", host: "two.example",
			location: "http://two.example/old/cart?a=1", status: 308,
		},
		"a host with a wildcard": {
			hosts: `"*.example"`, filter: "statusCode: 303", plugin: "post-function", location: "http://one.example/old/cart?a=1", status: 303,
		},
		"an alias of the host": {
			metadata: ", annotations: {konghq.com/host-aliases: two.example}", hosts: "one.example", filter: "statusCode: 302",
			plugin: "post-function", location: "http://one.example/old/cart?a=1", status: 302,
		},
		"no status": {filter: "scheme: http", plugin: "post-function", location: "http://one.example/old/cart?a=1", status: 302},
		"a scheme": {
			filter: "scheme: https, statusCode: 301", plugin: "post-function", location: "https://one.example/old/cart?a=1", status: 301,
		},
		"a scheme, from another port": {
			listeners: anotherListener, filter: "scheme: https, statusCode: 301", host: "one.example:8080", plugin: "post-function",
			location: "https://one.example/old/cart?a=1", status: 301,
		},
		"the port of the listener": {
			listeners: anotherListener, hosts: "one.example", filter: "statusCode: 302", plugin: "redirect",
			location: "http://one.example:8080/old/cart?a=1", status: 302,
		},
		"the port that the client named": {
			listeners: plainListener + ", " + anotherListener, filter: "statusCode: 302", host: "one.example:8080", plugin: "post-function",
			location: "http://one.example:8080/old/cart?a=1", status: 302,
		},
		"a port": {
			filter: "port: 8443, scheme: https, statusCode: 302", host: "one.example:80", plugin: "post-function",
			location: "https://one.example:8443/old/cart?a=1", status: 302,
		},
		"a port that nobody writes": {
			hosts: "one.example", filter: "port: 443, scheme: https, statusCode: 302", plugin: "redirect",
			location: "https://one.example/old/cart?a=1", status: 302,
		},
		"a hostname": {
			filter: "hostname: new.example, statusCode: 302", plugin: "redirect", location: "http://new.example/old/cart?a=1", status: 302,
		},
		"a hostname, and a whole path": {
			filter: "hostname: new.example, statusCode: 302, path: {type: ReplaceFullPath, replaceFullPath: /there/}", plugin: "redirect",
			location: "http://new.example/there/", status: 302,
		},
		"a whole path": {
			filter: "statusCode: 302, path: {type: ReplaceFullPath, replaceFullPath: '/a\"b\\c'}", plugin: "post-function",
			location: `http://one.example/a"b\c`, status: 302,
		},
		"a prefix": {
			filter: "statusCode: 302, path: {type: ReplacePrefixMatch, replacePrefixMatch: /new/}", plugin: "post-function",
			location: "http://one.example/new/cart?a=1", status: 302,
		},
		"a prefix, of a request for just that": {
			filter: "statusCode: 302, path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}", path: "/old", plugin: "post-function",
			location: "http://one.example/new", status: 302,
		},
		"no prefix": {
			filter: "statusCode: 302, path: {type: ReplacePrefixMatch, replacePrefixMatch: /}", path: "/old", plugin: "post-function",
			location: "http://one.example/", status: 302,
		},
		"no prefix, and the rest": {
			hosts:  "one.example",
			filter: "statusCode: 302, path: {type: ReplacePrefixMatch, replacePrefixMatch: ''}", path: "/old/a/", plugin: "post-function",
			location: "http://one.example/a/", status: 302,
		},
		"a prefix, and characters that headers do not have": {
			filter: "statusCode: 302, path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}", path: "/old/./a%0d%0aSet-Cookie:%20b/%C3%B8%2Fc",
			plugin: "post-function", location: "http://one.example/new/a%0D%0ASet-Cookie:%20b/%C3%B8%2Fc", status: 302,
		},
	} {
		listeners, host, path := cmp.Or(c.listeners, plainListener), cmp.Or(c.host, "one.example"), cmp.Or(c.path, "/old/cart?a=1")
		result := translate.Translate(objects(t, redirecting(listeners, c.metadata, c.hosts, c.filter)), translate.Options{
			Expressions: expressions, RedirectPlugin: true, Attach: true, GatewayController: conformance.Controller,
		})
		if len(result.Problems) > 0 {
			t.Errorf("%s, %s: %v", title, flavor, result.Problems)
		}
		if got := pluginsOf(result.Config); c.plugin != "" && got != c.plugin {
			t.Errorf("%s, %s: redirected by %s, want %s", title, flavor, got, c.plugin)
		}
		g := start(t)
		post(t, g, result.Config)
		if status, location := redirected(t, g, host, path); status != c.status || location != c.location {
			t.Errorf("%s, %s: %d to %s, want %d to %s\n%s", title, flavor, status, location, c.status, c.location, describe(t, result))
		}
	}
}

// TestBeforeThePluginRedirectALocationHasAHostToo has gateways of an older version.
func TestBeforeThePluginRedirectALocationHasAHostToo(t *testing.T) {
	for title, c := range map[string]struct{ hosts, filter, plugins, location string }{
		"the only host": {"one.example", "statusCode: 302, path: {type: ReplaceFullPath, replaceFullPath: /there}",
			"response-transformer request-termination", "http://one.example/there"},
		"any host": {"", "statusCode: 302, path: {type: ReplaceFullPath, replaceFullPath: /there}", "post-function", "http://one.example/there"},
	} {
		result := translate.Translate(objects(t, redirecting(plainListener, "", c.hosts, c.filter)), translate.Options{
			Attach: true, GatewayController: conformance.Controller,
		})
		if got := pluginsOf(result.Config); got != c.plugins {
			t.Errorf("%s: redirected by %s, want %s", title, got, c.plugins)
		}
		g := simulated("traditional_compatible")(t)
		post(t, g, result.Config)
		if status, location := redirected(t, g, "one.example", "/old"); status != http.StatusFound || location != c.location {
			t.Errorf("%s: %d to %s, want %s", title, status, location, c.location)
		}
	}
}

// pluginsOf names the plugins of the first route.
func pluginsOf(config declarative.Config) string {
	var names []string
	for _, p := range config.Services[0].Routes[0].Plugins {
		names = append(names, p.Name)
	}
	return strings.Join(names, " ")
}

// redirected is where a gateway sends a request.
func redirected(t *testing.T, g gatewayUnderTest, host, path string) (status int, location string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, g.proxy+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	answer, err := http.DefaultTransport.RoundTrip(request) // follows nothing
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode, answer.Header.Get("Location")
}
