package endpoints_test

import (
	"fmt"
	"slices"
	"testing"

	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/kong/target"
	"github.com/silverback-gateway/silverback/sources/kubernetes/endpoints"
	"github.com/silverback-gateway/silverback/sources/kubernetes/manifest"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// pod is what a model says of one address.
type pod string

const (
	ready   pod = "ready"
	unready pod = "unready"
	leaving pod = "leaving"
)

// model is a cluster: pods of Services, and which Service each Ingress sends requests to.
type model struct {
	pods     map[string]map[string]pod // by Service and address
	ingress  map[string]string         // the Service of each Ingress
	routes   map[string][]string       // the Services of each HTTPRoute
	options  translate.Options
	external string // of a Service of type ExternalName
}

func newModel() *model {
	return &model{
		pods: map[string]map[string]pod{}, ingress: map[string]string{}, routes: map[string][]string{},
		options: translate.Options{RemovableTargets: true, IngressClass: "kong"},
	}
}

// set makes the objects of the model.
func (m *model) set() *object.Set {
	set := &object.Set{}
	for name, pods := range m.pods {
		named := meta.ObjectMeta{Namespace: "web", Name: name}
		set.Add(&core.Service{
			TypeMeta: meta.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: named,
			Spec: core.ServiceSpec{Ports: []core.ServicePort{{Port: 80}}},
		})
		slice := &discovery.EndpointSlice{
			TypeMeta: meta.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
			ObjectMeta: meta.ObjectMeta{
				Namespace: "web", Name: name + "-1", Labels: map[string]string{discovery.LabelServiceName: name},
			},
			Ports: []discovery.EndpointPort{{Name: new(""), Port: new(int32(8080)), Protocol: new(core.ProtocolTCP)}},
		}
		for address, state := range pods {
			slice.Endpoints = append(slice.Endpoints, discovery.Endpoint{
				Addresses: []string{address},
				Conditions: discovery.EndpointConditions{
					Ready: new(state == ready), Serving: new(state != unready), Terminating: new(state == leaving),
				},
			})
		}
		set.Add(slice)
	}
	if m.external != "" {
		set.Add(&core.Service{
			TypeMeta: meta.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: meta.ObjectMeta{Namespace: "web", Name: "external"},
			Spec: core.ServiceSpec{Type: core.ServiceTypeExternalName, ExternalName: m.external},
		})
	}
	for name, service := range m.ingress {
		set.Add(&networking.Ingress{
			TypeMeta:   meta.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"},
			ObjectMeta: meta.ObjectMeta{Namespace: "web", Name: name},
			Spec: networking.IngressSpec{IngressClassName: new("kong"), Rules: []networking.IngressRule{{
				Host: name + ".example.com",
				IngressRuleValue: networking.IngressRuleValue{HTTP: &networking.HTTPIngressRuleValue{Paths: []networking.HTTPIngressPath{{
					Path: "/", PathType: new(networking.PathTypePrefix),
					Backend: networking.IngressBackend{Service: &networking.IngressServiceBackend{
						Name: service, Port: networking.ServiceBackendPort{Number: 80},
					}},
				}}}},
			}}},
		})
	}
	for name, services := range m.routes {
		var refs []gateway.HTTPBackendRef
		for _, service := range services {
			refs = append(refs, gateway.HTTPBackendRef{BackendRef: gateway.BackendRef{
				BackendObjectReference: gateway.BackendObjectReference{Name: gateway.ObjectName(service), Port: new(gateway.PortNumber(80))},
			}})
		}
		set.Add(&gateway.HTTPRoute{
			TypeMeta:   meta.TypeMeta{APIVersion: "gateway.networking.k8s.io/v1", Kind: "HTTPRoute"},
			ObjectMeta: meta.ObjectMeta{Namespace: "web", Name: name},
			Spec: gateway.HTTPRouteSpec{Rules: []gateway.HTTPRouteRule{{
				Matches: []gateway.HTTPRouteMatch{{Path: &gateway.HTTPPathMatch{
					Type: new(gateway.PathMatchPathPrefix), Value: new("/" + name),
				}}},
				BackendRefs: refs,
			}}},
		})
	}
	manifest.FillDefaults(set)
	return set
}

// observe translates the model as a controller does.
func (m *model) observe(t testing.TB) (translate.Result, endpoints.Configuration, endpoints.Cluster) {
	t.Helper()
	set := m.set()
	result := translate.Translate(set, m.options)
	cluster := endpoints.Observe(object.List[*discovery.EndpointSlice](set, "EndpointSlice"))
	present, err := endpoints.Of(result, cluster)
	if err != nil {
		t.Fatal(err)
	}
	return result, present, cluster
}

// upstream is the name of the upstream of a Service.
func upstream(service string) string { return fmt.Sprintf("%s.web.80.svc", service) }

func name(service, address string) target.Name {
	return target.Name{Upstream: upstream(service), Target: address + ":8080"}
}

// names are targets of one Service.
func names(service string, addresses ...string) (all []target.Name) {
	for _, a := range addresses {
		all = append(all, name(service, a))
	}
	slices.SortFunc(all, target.Name.Compare)
	return all
}
