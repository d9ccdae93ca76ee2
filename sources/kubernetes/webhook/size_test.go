package webhook_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/webhook"
)

// large has n Ingresses of one plugin, each with a Service of four endpoints.
func large(n int) string {
	var text strings.Builder
	text.WriteString(pluginOf("limit", "5"))
	for i := range n {
		fmt.Fprintf(&text, `---
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "app-%[1]d", "namespace": "web"}, "spec": {"ports": [{"port": 80}]}}
---
{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "app-%[1]d", "namespace": "web",
 "labels": {"kubernetes.io/service-name": "app-%[1]d"}}, "ports": [{"name": "", "port": 8080, "protocol": "TCP"}], "endpoints": [
 {"addresses": ["10.0.%[2]d.%[3]d"]}, {"addresses": ["10.1.%[2]d.%[3]d"]}, {"addresses": ["10.2.%[2]d.%[3]d"]},
 {"addresses": ["10.3.%[2]d.%[3]d"]}]}
---
%[4]s
`, i, i/250, i%250, ingressOf(i, fmt.Sprintf("app-%d", i)))
	}
	return text.String()
}

func ingressOf(i int, path string) string {
	return fmt.Sprintf(`{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "app-%d", "namespace": "web",
 "annotations": {"konghq.com/plugins": "limit"}}, "spec": {"ingressClassName": "kong", "rules": [{"host": "app-%d.example.com", "http":
 {"paths": [{"path": "/%s", "pathType": "Prefix", "backend": {"service": {"name": "app-%d", "port": {"number": 80}}}}]}}]}}`, i, i, path, i)
}

// BenchmarkReview reviews changes in a cluster of 5,000 Ingresses with 20,000 endpoints. In "moving" the cluster changes between two
// reviews, so that nothing is known of it before.
func BenchmarkReview(b *testing.B) {
	bench := newBench(b, large(5000), func(c *webhook.Config) { c.Timeout = time.Minute })
	review := func(b *testing.B, old, now string, allowed bool) {
		b.Helper()
		answer := bench.Review(b.Context(), request(b, old, now))
		if answer.Allowed != allowed || len(answer.Warnings) > 0 {
			b.Fatalf("allowed %v, %v, warnings %v", answer.Allowed, answer.Result, answer.Warnings)
		}
	}
	for _, c := range []struct {
		name     string
		old, now string
		allowed  bool
		moving   bool
	}{
		{"ingress", ingressOf(7, "app-7"), ingressOf(7, "other"), true, false},
		{"ingress/moving", ingressOf(7, "app-7"), ingressOf(7, "other"), true, true},
		{"plugin-of-all", pluginOf("limit", "5"), pluginOf("limit", "6"), true, true},
		{"plugin-of-all/broken", pluginOf("limit", "5"), pluginOf("limit", "abc"), false, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if c.moving {
					bench.cluster.set = bench.cluster.set.With(moved(b))
				}
				review(b, c.old, c.now, c.allowed)
			}
		})
	}
}

// moved is a Service that is new in each call.
func moved(tb testing.TB) object.Object {
	tb.Helper()
	set := &object.Set{}
	read(tb, set, "{apiVersion: v1, kind: Service, metadata: {name: moved, namespace: web}}")
	return set.All()[0]
}
