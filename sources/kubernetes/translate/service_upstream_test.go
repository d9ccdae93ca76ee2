package translate_test

import (
	"testing"

	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// TestAServiceCanBeATargetItself has the three ways in which a Service's own name takes the place of its endpoints.
func TestAServiceCanBeATargetItself(t *testing.T) {
	const ingress = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i, namespace: web}
spec: {ingressClassName: kong, rules: [{http: {paths: [{backend: {service: {name: s, port: {number: 80}}}}]}}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s-1, namespace: web, labels: {kubernetes.io/service-name: s}}
addressType: IPv4
ports: [{name: "", port: 8080, protocol: TCP}]
endpoints: [{addresses: [10.0.0.1]}]
---
apiVersion: configuration.konghq.com/v1alpha1
kind: IngressClassParameters
metadata: {name: parameters, namespace: kong}
spec: {serviceUpstream: true}
---
`
	const plain = "{apiVersion: v1, kind: Service, metadata: {name: s, namespace: web}, spec: {ports: [{port: 80}]}}"
	const annotated = `{apiVersion: v1, kind: Service, metadata: {name: s, namespace: web, annotations: ` +
		`{ingress.kubernetes.io/service-upstream: "true"}}, spec: {ports: [{port: 80}]}}`
	const class = `
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: kong}
spec: {parameters: {apiGroup: configuration.konghq.com, kind: IngressClassParameters, scope: Namespace, namespace: kong, name: parameters}}
`
	for what, c := range map[string]struct {
		text    string
		options translate.Options
		want    string
	}{
		"endpoints":      {plain, translate.Options{}, "10.0.0.1:8080"},
		"by annotation":  {annotated, translate.Options{}, "s.web.svc:80"},
		"by the class":   {plain + class, translate.Options{}, "s.web.svc:80"},
		"by the setting": {plain, translate.Options{ServiceUpstream: true, ClusterDomain: "local"}, "s.web.svc.local:80"},
	} {
		targets := translate.Translate(objects(t, ingress+c.text), c.options).Config.Upstreams[0].Targets
		if len(targets) != 1 || targets[0].Target != c.want {
			t.Errorf("%s: %+v, want %s", what, targets, c.want)
		}
	}
}
