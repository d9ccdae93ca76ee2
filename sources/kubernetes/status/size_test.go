package status_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/sources/kubernetes/manifest"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/status"
)

// BenchmarkPlan plans for a Gateway with 5,000 HTTPRoutes: first when nothing has a status, then when nothing changes, which is what most
// plans find.
func BenchmarkPlan(b *testing.B) {
	var text strings.Builder
	text.WriteString(shop)
	for i := range 5000 {
		fmt.Fprintf(&text, `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r%d, namespace: web, generation: 1}
spec: {parentRefs: [{name: edge, sectionName: http}], hostnames: [h%d.example.com], rules: [{backendRefs: [{name: s, port: 80}]}]}
`, i, i)
	}
	set := &object.Set{}
	if _, err := manifest.Read("input", strings.NewReader(text.String()), set); err != nil {
		b.Fatal(err)
	}
	manifest.FillDefaults(set)
	options := settings()
	view := proven(set, options.Translate)
	run := func(b *testing.B, want int) {
		b.ReportAllocs()
		for b.Loop() {
			if got := len(status.Plan(set, view, options).Updates); got != want {
				b.Fatalf("%d updates, want %d", got, want)
			}
		}
	}
	first := status.Plan(set, view, options).Updates
	b.Run("first", func(b *testing.B) { run(b, len(first)) })
	for _, u := range first {
		apply(b, u)
	}
	b.Run("unchanged", func(b *testing.B) { run(b, 0) })
}
