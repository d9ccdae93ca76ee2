package translator_test

import (
	"fmt"
	"strings"
	"testing"

	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

const manyRoutes = 10_000

// routesJSON is a configuration of n routes, ten to a service, about 300 bytes each. The edit changes the path of one route in the middle,
// the salt all of them.
func routesJSON(n, edit int, salt string) []byte {
	var b strings.Builder
	b.WriteString("{\"_format_version\": \"3.0\", \"services\": [")
	for i := range n {
		if i%10 == 0 {
			if i > 0 {
				b.WriteString("]},")
			}
			fmt.Fprintf(&b, "\n{\"name\": \"service-%05d\", \"url\": \"http://backend-%05d.internal:8080/base\", \"retries\": 3, \"tags\": "+
				"[\"team-%d\"], \"routes\": [", i/10, i/10, i%7)
		} else {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "\n  {\"name\": \"route-%05d\", \"hosts\": [\"api-%05d.example.com\"], \"paths\": [\"/v1/resource-%05d%s\", "+
			"\"/v2/%s\"], \"methods\": [\"GET\", \"POST\"], \"strip_path\": false, \"preserve_host\": true, \"tags\": [\"team-%d\", \"prod\"]}", i,
			i, i, salt, edited(n, i, edit), i%7)
	}
	b.WriteString("]}]}\n")
	return []byte(b.String())
}

// routesYAML is the same as YAML.
func routesYAML(n, edit int, salt string) []byte {
	var b strings.Builder
	b.WriteString("_format_version: \"3.0\"\nservices:\n")
	for i := range n {
		if i%10 == 0 {
			fmt.Fprintf(&b, "- name: service-%05d\n  url: http://backend-%05d.internal:8080/base\n  retries: 3\n  tags: [team-%d]\n  routes:\n",
				i/10, i/10, i%7)
		}
		fmt.Fprintf(&b, "  - name: route-%05d\n    hosts: [api-%05d.example.com]\n    paths:\n    - /v1/resource-%05d%s\n    - /v2/%s\n    "+
			"methods: [GET, POST]\n    strip_path: false\n    preserve_host: true\n    tags: [team-%d, prod]\n", i, i, i, salt, edited(n, i, edit),
			i%7)
	}
	return []byte(b.String())
}

func edited(n, i, edit int) string {
	if i == n/2 {
		return fmt.Sprintf("edit-%d", edit)
	}
	return fmt.Sprintf("resource-%05d", i)
}

// benchmarkSubmit submits configurations as given by their turn, over gRPC to a replica with a real etcd.
func benchmarkSubmit(b *testing.B, name string, text func(turn int) []byte) {
	r := startPlane(b, "g").replica(b)
	turn := 0
	submit := func() {
		b.StopTimer()
		q := &translatorv1.SubmitConfigRequest{Group: "g", Source: "all", Documents: []*translatorv1.Document{{Name: name, Content: text(turn)}}}
		turn++
		b.StartTimer()
		if answer := r.mustSubmit(q); answer.GetUnchanged() {
			b.Fatal("nothing changed")
		}
	}
	submit()
	b.ResetTimer()
	for range b.N {
		submit()
	}
}

func BenchmarkSubmitJSON10k(b *testing.B) {
	benchmarkSubmit(b, "a.json", func(turn int) []byte { return routesJSON(manyRoutes, turn, fmt.Sprint("-", turn)) })
}

func BenchmarkSubmitYAML10k(b *testing.B) {
	benchmarkSubmit(b, "a.yaml", func(turn int) []byte { return routesYAML(manyRoutes, turn, fmt.Sprint("-", turn)) })
}

func BenchmarkOneRouteChange10kJSON(b *testing.B) {
	benchmarkSubmit(b, "a.json", func(turn int) []byte { return routesJSON(manyRoutes, turn, "") })
}

func BenchmarkOneRouteChange10kYAML(b *testing.B) {
	benchmarkSubmit(b, "a.yaml", func(turn int) []byte { return routesYAML(manyRoutes, turn, "") })
}
