package translate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// TestARuleThatNothingAnswersIs500: without backends, unless a filter or a plugin may answer.
func TestARuleThatNothingAnswersIs500(t *testing.T) {
	const redirect = `{type: RequestRedirect, requestRedirect: {hostname: to.example.com}}`
	const extension = `{type: ExtensionRef, extensionRef: {group: configuration.konghq.com, kind: KongPlugin, name: answers}}`
	const header = `{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-a, value: b}]}}`
	for title, c := range map[string]struct {
		annotations, rule string
		want              bool
	}{
		"nothing":              {"", "{}", true},
		"a header":             {"", "{filters: [" + header + "]}", true},
		"a redirection":        {"", "{filters: [" + redirect + "]}", false},
		"a plugin":             {"", "{filters: [" + extension + "]}", false},
		"a plugin by name":     {"konghq.com/plugins: answers", "{}", false},
		"a backend that is no": {"", "{backendRefs: [{name: none, port: 80}]}", true},
	} {
		for _, expressions := range []bool{false, true} {
			set := objects(t, fmt.Sprintf(`
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: web, annotations: {%s}}
spec: {parentRefs: [{name: edge}], rules: [%s]}
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: answers, namespace: web}
plugin: mocking
`, c.annotations, c.rule))
			result := translate.Translate(set, translate.Options{Expressions: expressions, RedirectPlugin: true})
			if text := string(describe(t, result)); strings.Contains(text, "status_code: 500") != c.want {
				t.Errorf("%s, expressions %v: 500 is not %v in\n%s", title, expressions, c.want, text)
			}
		}
	}
}
