package translate

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/kongcrd"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// defaultWeight is what a target weighs that names no weight.
const defaultWeight = 100

// upstream is an upstream that is being made.
type upstream struct {
	declarative.Upstream
	origins []object.Ref
}

// balance makes an upstream of every service: the name of it is the host of the service.
func (t *translation) balance() {
	made := map[string]bool{}
	for _, name := range t.names() {
		s := t.services[name]
		if made[s.Host] {
			continue
		}
		made[s.Host] = true
		u := upstream{Upstream: declarative.Upstream{Name: s.Host, Tags: s.Tags}, origins: s.refs()}
		u.Targets = t.targetsOf(s)
		t.overrideUpstream(&u, s)
		if u.Algorithm == "" {
			u.Algorithm = "round-robin"
		}
		if t.RemovableTargets && u.Healthchecks == nil {
			u.Healthchecks = removable()
		}
		t.upstreams = append(t.upstreams, u)
	}
}

// targetsOf gathers the targets of all backends. The port of the last one becomes the service's.
func (t *translation) targetsOf(s *service) []declarative.Target {
	weights := map[string]*int{}
	for _, b := range s.backends {
		behind, ok := t.backingOf(s, b)
		if !ok {
			continue
		}
		port, err := findPort(behind, b.port)
		if err != nil {
			t.problem(object.ReasonUnresolved, fmt.Sprintf("the Service %s/%s: %v", behind.Namespace, behind.Name, err), behind, s.parent)
			continue
		}
		s.Port = new(int(port.Port))
		for address, weight := range spread(t.endpoints(behind, port), b.weight) {
			if known, twice := weights[address]; twice {
				weight = new(weightOf(known) + weightOf(weight))
			}
			weights[address] = weight
		}
	}
	targets := make([]declarative.Target, 0, len(weights))
	for _, address := range slices.Sorted(maps.Keys(weights)) {
		targets = append(targets, declarative.Target{Target: address, Weight: weights[address]})
	}
	return targets
}

func (t *translation) backingOf(s *service, b backend) (*core.Service, bool) {
	name := b.name
	if b.facade {
		facade, ok := object.Get[*kongcrd.ServiceFacade](t.set, kongcrd.KindServiceFacade, b.namespace, b.name)
		if !ok {
			return nil, false
		}
		name = facade.Spec.BackendRef.Name
	}
	behind, ok := s.backing[b.namespace+"/"+name]
	return behind, ok
}

func weightOf(weight *int) int {
	if weight == nil {
		return defaultWeight
	}
	return *weight
}

// spread gives every endpoint of a backend its share of the backend's weight, at least 1 of one that is not 0. Without a weight, and for
// those that drain, nothing changes.
func spread(endpoints map[string]*int, weight *int) map[string]*int {
	if weight == nil {
		return endpoints
	}
	serving := 0
	for _, own := range endpoints {
		if own == nil || *own != 0 {
			serving++
		}
	}
	share := *weight
	if share != 0 && serving > 0 {
		share = max(share/serving, 1)
	}
	for address, own := range endpoints {
		if own == nil || *own != 0 {
			endpoints[address] = new(share)
		}
	}
	return endpoints
}

// findPort finds the port of a Service that a backend means. A Service that is only a name has no ports: the number is taken as it is.
func findPort(behind *core.Service, wanted portRef) (core.ServicePort, error) {
	if behind.Spec.Type == core.ServiceTypeExternalName {
		if wanted.number == 0 {
			return core.ServicePort{}, fmt.Errorf("a Service of type ExternalName needs a port by number")
		}
		return core.ServicePort{Port: wanted.number, TargetPort: intstr.FromInt32(wanted.number)}, nil
	}
	if wanted == (portRef{}) {
		if len(behind.Spec.Ports) != 1 {
			return core.ServicePort{}, fmt.Errorf("it has %d ports, so the backend must name one", len(behind.Spec.Ports))
		}
		return behind.Spec.Ports[0], nil
	}
	for _, port := range behind.Spec.Ports {
		if wanted.number != 0 && port.Port == wanted.number || wanted.number == 0 &&
			(port.Name == wanted.name || port.TargetPort.Type == intstr.String && port.TargetPort.StrVal == wanted.name) {
			return port, nil
		}
	}
	return core.ServicePort{}, fmt.Errorf("it has no port %s", wanted)
}

// endpoints are the addresses behind a port, each with a weight of 0 if it drains. The Service's own name is the only one where it is
// asked for.
func (t *translation) endpoints(behind *core.Service, port core.ServicePort) map[string]*int {
	if t.ServiceUpstream || t.parameters.Spec.ServiceUpstream || behind.Annotations[annotationServiceUpstream] == "true" {
		name := behind.Name + "." + behind.Namespace + ".svc"
		if t.ClusterDomain != "" {
			name += "." + t.ClusterDomain
		}
		return map[string]*int{fmt.Sprintf("%s:%d", name, port.Port): nil}
	}
	if behind.Spec.Type == core.ServiceTypeExternalName {
		return map[string]*int{behind.Spec.ExternalName + ":" + port.TargetPort.String(): nil}
	}
	found := map[string]*int{}
	for _, slice := range t.slices(behind) {
		for _, p := range slice.Ports {
			name := ""
			if p.Name != nil {
				name = *p.Name
			}
			if name == port.Name && p.Port != nil && *p.Port >= 0 && protocolOf(behind, p.Protocol) {
				t.collect(slice.Endpoints, *p.Port, found)
			}
		}
	}
	return found
}

// slices lists the EndpointSlices of a Service.
func (t *translation) slices(behind *core.Service) []*discovery.EndpointSlice {
	if t.sliceIndex == nil {
		t.sliceIndex = map[string][]*discovery.EndpointSlice{}
		for _, slice := range object.List[*discovery.EndpointSlice](t.set, "EndpointSlice") {
			of := slice.Namespace + "/" + slice.Labels[discovery.LabelServiceName]
			t.sliceIndex[of] = append(t.sliceIndex[of], slice)
		}
	}
	return t.sliceIndex[behind.Namespace+"/"+behind.Name]
}

// protocolOf says whether a Service has a port of a protocol. TCP always counts.
func protocolOf(behind *core.Service, protocol *core.Protocol) bool {
	if protocol == nil || *protocol == core.ProtocolTCP {
		return true
	}
	return slices.ContainsFunc(behind.Spec.Ports, func(p core.ServicePort) bool { return p.Protocol == *protocol })
}

func (t *translation) collect(endpoints []discovery.Endpoint, port int32, found map[string]*int) {
	for _, endpoint := range endpoints {
		terminating := endpoint.Conditions.Terminating != nil && *endpoint.Conditions.Terminating
		ready := endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready
		drains := terminating && t.DrainSupport
		if len(endpoint.Addresses) == 0 || !ready && !drains {
			continue
		}
		address := endpoint.Addresses[0]
		if ip, err := netip.ParseAddr(address); err == nil && ip.Is6() && !ip.Is4In6() {
			address = "[" + address + "]"
		}
		var weight *int
		if drains {
			weight = new(0)
		}
		found[fmt.Sprintf("%s:%d", address, port)] = weight
	}
}

// overrideUpstream applies the KongIngress, the annotations and the policy of the Services behind an upstream, in that order.
func (t *translation) overrideUpstream(u *upstream, s *service) {
	behind := s.backings()
	if len(behind) == 0 {
		return
	}
	fromGateway := object.RefOf(s.parent).Group == gateway.GroupName
	if named := t.kongIngress(u, behind, fromGateway); !named || !fromGateway {
		for _, one := range behind {
			if host := one.Annotations[annotationHostHeader]; host != "" {
				u.HostHeader = host
			}
		}
	}
	if policy := t.policyOf(behind); policy != nil {
		applyPolicy(&u.Upstream, policy)
		u.origins = append(u.origins, object.RefOf(policy))
	}
}

// kongIngress applies the upstream of the KongIngress that a Service names, and says whether there is one. Routes of the Gateway API have
// none.
func (t *translation) kongIngress(u *upstream, behind []*core.Service, fromGateway bool) bool {
	for _, one := range behind {
		name := one.Annotations[annotationOverride]
		if name == "" {
			continue
		}
		named, ok := object.Get[*kongcrd.Ingress](t.set, kongcrd.KindIngress, one.Namespace, name)
		if !ok {
			t.problem(object.ReasonUnresolved, fmt.Sprintf("there is no KongIngress %s/%s", one.Namespace, name), one)
			return false
		}
		if fromGateway {
			return true
		}
		if len(named.Proxy)+len(named.Route) > 0 {
			t.problem(object.ReasonUnsupported, "of a KongIngress only the upstream is read: use annotations for the service and the route", named)
		}
		kept := u.Upstream
		if len(named.Upstream) > 0 && json.Unmarshal(named.Upstream, &u.Upstream) != nil {
			t.problem(object.ReasonInvalid, "the upstream is not one of Kong's", named)
			u.Upstream = kept
		}
		u.Name, u.Tags, u.Targets = kept.Name, kept.Tags, kept.Targets
		u.origins = append(u.origins, object.RefOf(named))
		return true
	}
	return false
}

// policyOf finds the KongUpstreamPolicy that all Services name, or none of them.
func (t *translation) policyOf(behind []*core.Service) *kongcrd.UpstreamPolicy {
	name, named := behind[0].Annotations[annotationUpstreamPolicy]
	for _, other := range behind[1:] {
		if also, ok := other.Annotations[annotationUpstreamPolicy]; ok != named || also != name {
			for _, one := range behind {
				t.problem(object.ReasonConflict, "the Services behind an upstream name different policies, so none applies", one)
			}
			return nil
		}
	}
	if !named {
		return nil
	}
	policy, ok := object.Get[*kongcrd.UpstreamPolicy](t.set, kongcrd.KindUpstreamPolicy, behind[0].Namespace, name)
	if !ok {
		t.problem(object.ReasonUnresolved, fmt.Sprintf("there is no KongUpstreamPolicy %s/%s", behind[0].Namespace, name), behind[0])
		return nil
	}
	return policy
}
