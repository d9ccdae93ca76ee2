package translate_test

import (
	"fmt"
	"testing"

	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// grant is a ReferenceGrant: where it is, whom it is for, and what it allows.
type grant struct{ in, group, kind, namespace, toKind, toName string }

const pluginElsewhere = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i, namespace: a, annotations: {konghq.com/plugins: "b:p"}}
spec: {ingressClassName: kong, rules: [{http: {paths: [{backend: {service: {name: s, port: {number: 80}}}}]}}]}
---
apiVersion: v1
kind: Service
metadata: {name: s, namespace: a}
spec: {ports: [{port: 80}]}
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: p, namespace: b}
plugin: cors
---
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: g, namespace: %s}
spec:
  from: [{group: %s, kind: %s, namespace: %s}]
  to: [{group: configuration.konghq.com, kind: %s%s}]
`

// TestGrants has an Ingress that names a plugin of another namespace, under grants that differ in one word from the one that allows it.
func TestGrants(t *testing.T) {
	right := grant{in: "b", group: "networking.k8s.io", kind: "Ingress", namespace: "a", toKind: "KongPlugin", toName: ", name: p"}
	for what, c := range map[string]struct {
		change  func(*grant)
		allowed bool
	}{
		"the plugin":                {func(*grant) {}, true},
		"every plugin":              {func(g *grant) { g.toName = "" }, true},
		"in another namespace":      {func(g *grant) { g.in = "c" }, false},
		"for another namespace":     {func(g *grant) { g.namespace = "c" }, false},
		"for another kind":          {func(g *grant) { g.kind = "Service" }, false},
		"for another group":         {func(g *grant) { g.group = "example.com" }, false},
		"of objects of other kinds": {func(g *grant) { g.toKind, g.toName = "KongConsumer", "" }, false},
		"of another plugin":         {func(g *grant) { g.toName = ", name: q" }, false},
	} {
		g := right
		c.change(&g)
		set := objects(t, fmt.Sprintf(pluginElsewhere, g.in, g.group, g.kind, g.namespace, g.toKind, g.toName))
		result := translate.Translate(set, translate.Options{})
		if got := len(result.Config.Plugins) == 1; got != c.allowed {
			t.Errorf("%s: plugins %+v", what, result.Config.Plugins)
		}
		if none := said(result.Problems) == ""; none != c.allowed {
			t.Errorf("%s: problems:\n%s", what, said(result.Problems))
		}
	}
}
