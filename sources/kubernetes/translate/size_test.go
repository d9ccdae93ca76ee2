package translate_test

import (
	"encoding/json"
	"fmt"
	"testing"

	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// cluster has n Ingresses of one plugin, each with a Service of four endpoints.
func cluster(tb testing.TB, n int) *object.Set {
	tb.Helper()
	set := objects(tb, `
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: limit, namespace: web}
plugin: rate-limiting
config: {minute: 5}
`)
	for i := range n {
		name := fmt.Sprintf("app-%05d", i)
		named := meta.ObjectMeta{Namespace: "web", Name: name}
		set.Add(&core.Service{
			TypeMeta: meta.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: named,
			Spec: core.ServiceSpec{Ports: []core.ServicePort{{Port: 80}}},
		})
		slice := &discovery.EndpointSlice{
			TypeMeta: meta.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
			ObjectMeta: meta.ObjectMeta{
				Namespace: "web", Name: name, Labels: map[string]string{discovery.LabelServiceName: name},
			},
			Ports: []discovery.EndpointPort{{Name: new(""), Port: new(int32(8080)), Protocol: new(core.ProtocolTCP)}},
		}
		for j := range 4 {
			slice.Endpoints = append(slice.Endpoints, discovery.Endpoint{Addresses: []string{fmt.Sprintf("10.%d.%d.%d", j, i/250, i%250)}})
		}
		set.Add(slice)
		named.Annotations = map[string]string{"konghq.com/plugins": "limit"}
		set.Add(&networking.Ingress{
			TypeMeta: meta.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"}, ObjectMeta: named,
			Spec: networking.IngressSpec{IngressClassName: new("kong"), Rules: []networking.IngressRule{{
				Host: name + ".example.com",
				IngressRuleValue: networking.IngressRuleValue{HTTP: &networking.HTTPIngressRuleValue{Paths: []networking.HTTPIngressPath{{
					Path: "/", PathType: new(networking.PathTypePrefix),
					Backend: networking.IngressBackend{Service: &networking.IngressServiceBackend{
						Name: name, Port: networking.ServiceBackendPort{Number: 80},
					}},
				}}}},
			}}},
		})
	}
	return set
}

// BenchmarkCluster translates 5,000 Ingresses with 20,000 endpoints.
func BenchmarkCluster(b *testing.B) {
	set := cluster(b, 5000)
	b.ReportAllocs()
	for b.Loop() {
		result := translate.Translate(set, translate.Options{})
		if len(result.Config.Services) != 5000 || len(result.Config.Plugins) != 5000 || len(result.Problems) > 0 {
			b.Fatalf("%d services, %d plugins, problems %v", len(result.Config.Services), len(result.Config.Plugins), result.Problems)
		}
	}
}

// TestAChangedEndpointIsSmall replaces one of 20,000 endpoints behind 5,000 Ingresses, and takes one away: what a distributor sends to a
// gateway is under 10 KB.
func TestAChangedEndpointIsSmall(t *testing.T) {
	const most = 10_000
	options := translate.Options{RemovableTargets: true}
	before := sealed(t, cluster(t, 5000), options)
	for title, change := range map[string]func(*discovery.EndpointSlice){
		"one is replaced": func(s *discovery.EndpointSlice) { s.Endpoints[1].Addresses = []string{"10.99.99.99"} },
		"one is gone":     func(s *discovery.EndpointSlice) { s.Endpoints = s.Endpoints[1:] },
		"all of a Service are replaced": func(s *discovery.EndpointSlice) {
			for i := range s.Endpoints {
				s.Endpoints[i].Addresses = []string{fmt.Sprintf("10.99.99.%d", i)}
			}
		},
	} {
		set := cluster(t, 5000)
		slice, _ := object.Get[*discovery.EndpointSlice](set, "EndpointSlice", "web", "app-02500")
		change(slice)
		after := sealed(t, set, options)
		delta, err := snapshot.EncodeDelta(before.Manifest(), after.Manifest(), func(sum snapshot.Sum) ([]byte, error) {
			if frame, err := after.Chunk(sum); err == nil {
				return frame, nil
			}
			return before.Chunk(sum)
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes to each gateway, of a configuration of %d", title, delta.WireSize(), after.Size())
		if delta.WireSize() > most {
			t.Errorf("%s: %d bytes, want at most %d", title, delta.WireSize(), most)
		}
	}
}

// sealed is the snapshot of a set.
func sealed(t *testing.T, set *object.Set, options translate.Options) *snapshot.Snapshot {
	t.Helper()
	text, err := json.Marshal(translate.Translate(set, options).Config)
	if err != nil {
		t.Fatal(err)
	}
	c := compile.New(compile.DefaultLimits())
	fragment, problems := c.Parse([]compile.Document{{Name: "kubernetes.json", Content: text}})
	if problems != nil {
		t.Fatal(problems)
	}
	merged, problems := c.Merge(map[compile.SourceID]*compile.Fragment{"kubernetes": fragment})
	if problems != nil {
		t.Fatal(problems)
	}
	made, err := snapshot.Seal(merged.Entities)
	if err != nil {
		t.Fatal(err)
	}
	return made
}
