package translate_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/silverback-gateway/silverback/kong/parity"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/manifest"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// parityWith compares a configuration from elsewhere with a translation.
func parityWith(t *testing.T, theirs []byte, config declarative.Config) parity.Report {
	t.Helper()
	ours, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	var sides [2]*parity.Configuration
	for i, text := range [][]byte{theirs, ours} {
		if sides[i], err = parity.Read("side", text); err != nil {
			t.Fatal(err)
		}
	}
	report, err := parity.Compare(sides[0], sides[1], nil)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// told is a report as text.
func told(report parity.Report) string {
	var out strings.Builder
	for _, group := range report.Groups {
		for _, c := range group.Changes {
			fmt.Fprintf(&out, "%s: %s %s\n", group.Object, c.Op, c.Title)
			for _, f := range c.Fields {
				fmt.Fprintf(&out, "    %s: %s -> %s\n", f.Path, f.Old, f.New)
			}
		}
	}
	return out.String()
}

// TestADumpOfKongIngressControllerHasParity wraps what the controller was recorded to send as its diagnostics server does.
func TestADumpOfKongIngressControllerHasParity(t *testing.T) {
	dir := corpus(t, "kic-golden")
	text, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Cases []goldenCase }
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	equal := 0
	for _, c := range list.Cases {
		var files []string
		for _, input := range c.Inputs {
			files = append(files, filepath.Join(dir, input))
		}
		recorded, err := os.ReadFile(filepath.Join(dir, c.Expected))
		if err != nil {
			t.Fatal(err)
		}
		config, err := yaml.YAMLToJSON(recorded)
		if err != nil {
			t.Fatal(err)
		}
		dump := fmt.Appendf(nil, `{"hash":"0","config":%s}`, config)
		report := parityWith(t, dump, translate.Translate(read(t, files...), c.options()).Config)
		if report.Differs() || report.Equal == 0 {
			t.Errorf("%s: %d entities are equal, but:\n%s", c.Name, report.Equal, told(report))
		} else {
			equal++
		}
	}
	t.Logf("%d of %d dumps have no difference", equal, len(list.Cases))
}

// shop is a small shop with one of most things.
const shop = `
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: web, uid: 0b16896c-7ae7-4f8b-a223-792c432bdd57}
spec: {ports: [{port: 80, name: http}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: cart, namespace: web, labels: {kubernetes.io/service-name: cart}}
addressType: IPv4
ports: [{port: 8080, name: http}]
endpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0.2]}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: web, annotations: {konghq.com/plugins: "limit,transform"}}
spec:
  ingressClassName: kong
  tls: [{hosts: [shop.example.com], secretName: none}]
  rules: [{host: shop.example.com, http: {paths: [{path: /b, pathType: Prefix, backend: {service: {name: cart, port: {number: 80}}}}]}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: web}
spec:
  hostnames: [new.example.com]
  rules:
  - matches: [{path: {type: PathPrefix, value: /a}, headers: [{name: X-Tier, value: gold}]}]
    filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-a, value: "1"}]}}]
    backendRefs: [{name: cart, port: 80, weight: 3}]
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: limit, namespace: web}
plugin: rate-limiting
config: {minute: 5, redis: {host: redis.internal}}
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: transform, namespace: web}
plugin: request-transformer
config: {add: {headers: ["x-b:2", "x-a:1"]}}
---
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {name: ann, namespace: web, annotations: {kubernetes.io/ingress.class: kong}}
username: ann
credentials: [key, password, group]
---
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: web, labels: {konghq.com/credential: key-auth}}
data: {key: czNjcmV0}
---
apiVersion: v1
kind: Secret
metadata: {name: password, namespace: web, labels: {konghq.com/credential: basic-auth}}
data: {username: YW5u, password: czNjcmV0}
---
apiVersion: v1
kind: Secret
metadata: {name: group, namespace: web, labels: {konghq.com/credential: acl}}
data: {group: Z29sZA==}
---
apiVersion: configuration.konghq.com/v1beta1
kind: KongUpstreamPolicy
metadata: {name: sticky, namespace: web}
spec: {hashOn: {header: x-user}}
`

// TestAGatewayThatServesATranslationHasParity loads a translation into a simulated gateway and compares what that says it serves: with
// every default filled in, passwords hashed and ids made up.
func TestAGatewayThatServesATranslationHasParity(t *testing.T) {
	for _, flavor := range []string{"traditional_compatible", "expressions"} {
		set := &object.Set{}
		if _, err := manifest.Read("shop", strings.NewReader(shop), set); err != nil {
			t.Fatal(err)
		}
		config := translate.Translate(set, translate.Options{Expressions: flavor == "expressions"}).Config
		g := kongtest.Start(t, kongtest.SwitchAfter(0), func(o *kongtest.Options) { o.RouterFlavor = flavor })
		post(t, listeners(g), config)
		serves := fetchConfig(t, g)
		if report := parityWith(t, serves, config); report.Differs() || report.Equal < 15 {
			t.Errorf("%s: %d entities are equal, but:\n%s", flavor, report.Equal, told(report))
		}
		config.Services[0].Host += ".elsewhere"
		report := parityWith(t, serves, config)
		if report.Changed != 1 || report.Added+report.Removed > 0 || report.Groups[0].Changes[0].Op != snapshot.Changed {
			t.Errorf("%s: a changed host is told as\n%s", flavor, told(report))
		}
		g.Close()
	}
}

func fetchConfig(t *testing.T, g *kongtest.Gateway) []byte {
	t.Helper()
	answer, err := http.Get(g.AdminURL() + "/config")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
