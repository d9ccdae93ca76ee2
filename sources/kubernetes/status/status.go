// Package status says what the statuses of Kubernetes objects should be, and writes them. Plan is pure: objects, what became of them and
// settings go in; statuses and Events come out. A Writer carries that out. A condition Programmed is True only while the revision that
// holds the present form of an object is proven on the gateways.
//
// It never writes a spec, and in lists that controllers share (parents, ancestors, conditions) it leaves the entries of others alone.
package status

import (
	"cmp"
	"slices"
	"time"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/kongcrd"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// Options are the settings of a controller that statuses depend on.
type Options struct {
	// Translate are the settings of the translation. Its GatewayController signs entries of parents and ancestors; without one nothing is
	// said about objects of the Gateway API.
	Translate translate.Options
	// Source names the source that the controller submits, such as edge/cluster. It signs what is said about a KongPlugin, which several
	// controllers can use.
	Source string
	// Publish are the Services whose addresses clients use, and Addresses such addresses themselves, which come first.
	Publish   []object.Ref
	Addresses []string
	// BundleVersions are the versions of the Gateway API's resource definitions in the cluster. Empty says nothing about them.
	BundleVersions []string
	// Before is what the last plan was made of. Nil announces only what can be told to be new from the statuses themselves.
	Before *delivery.View
	// Now is the time of transitions.
	Now time.Time
}

// Work is what there is to write.
type Work struct {
	Updates []Update // of statuses that differ: first those that turn bad, then the others that turn, then by kind, namespace and name
	Events  []Event
}

// Update is the status of one object.
type Update struct {
	Object object.Object // as it was read
	Status Status        // what it should say
	Patch  []byte        // of its status: a merge patch of what differs
	// Turns says that more than words differ: the status of a condition, or an address.
	Turns bool
	// Worse says that a condition says now, and did not say before, that something is wrong.
	Worse bool
}

// urgency orders updates: what turned bad is told first, what differs in words alone last.
func (u Update) urgency() int {
	switch {
	case u.Worse:
		return urgent
	case u.Turns:
		return normal
	}
	return lazy
}

// plan gathers what is known while updates are planned.
type plan struct {
	Options
	set      *object.Set
	view     delivery.View
	attached *translate.Attachments
	ours     func(object.Object) bool
	problems map[object.Ref][]object.Problem
	counts   map[*translate.Listener]int32
	routes   []routeFacts
	publish  addresses
	// policyUsers and backendsOf are what policies need: who names one, and which Gateways have routes to a Service.
	policyUsers map[object.Ref][]object.Object
	backendsOf  map[object.Ref]map[*translate.Gateway]bool
	work        Work
}

// Plan says which statuses of the objects in set differ from what they should say, and which Events tell what is new. The set is all of
// what was read, with the objects that a translation left out. It reads no clock and asks nobody; equal arguments give equal work.
func Plan(set *object.Set, view delivery.View, options Options) Work {
	p := &plan{
		Options: options, set: set, view: view, ours: translate.Ours(set, options.Translate), attached: translate.Attach(set, options.Translate),
		problems: map[object.Ref][]object.Problem{}, counts: map[*translate.Listener]int32{},
	}
	for _, problem := range view.Problems {
		for _, ref := range problem.Objects {
			p.problems[ref] = append(p.problems[ref], problem)
		}
	}
	p.publish, p.policyUsers = publishAddresses(set, options), policyUsers(set)
	p.readRoutes()
	p.classes()
	p.gateways()
	p.writeRoutes()
	p.readBackends()
	for _, obj := range set.All() {
		p.object(obj)
	}
	p.events()
	slices.SortFunc(p.work.Updates, func(a, b Update) int {
		return cmp.Or(a.urgency()-b.urgency(), object.Compare(object.RefOf(a.Object), object.RefOf(b.Object)))
	})
	return p.work
}

// object plans the status of an object that has one of its own, whatever refers to it.
func (p *plan) object(obj object.Object) {
	switch obj := obj.(type) {
	case *networking.Ingress:
		p.ingress(obj)
	case *gateway.BackendTLSPolicy:
		p.backendTLSPolicy(obj)
	case *kongcrd.UpstreamPolicy:
		p.upstreamPolicy(obj)
	case *kongcrd.Plugin:
		p.plugin(obj)
	case *kongcrd.Consumer, *kongcrd.ConsumerGroup, *kongcrd.Vault, *kongcrd.CustomEntity:
		if p.ours(obj) {
			p.put(obj, Status{Conditions: []meta.Condition{p.programmed(obj, kongWords)}})
		}
	}
}

// put plans a status, if it differs from the one that the object has.
func (p *plan) put(obj object.Object, status Status) {
	status.observe(obj.GetGeneration())
	if status.saidBy(obj) {
		return
	}
	if patch, turn, differs := status.patch(currentStatus(obj), p.Now); differs {
		p.work.Updates = append(p.work.Updates, Update{Object: obj, Status: status, Patch: patch, Turns: turn.any, Worse: turn.worse})
	}
}

// addresses are those that clients use, as an Ingress and as a Gateway tells them.
type addresses struct {
	wanted   bool // somebody said where they are to be had
	ingress  []networking.IngressLoadBalancerIngress
	gateways []gateway.GatewayStatusAddress
}

// publishAddresses reads the addresses of the Services that publish the gateways: of their load balancer, or else the external ones, or
// else that of the cluster.
func publishAddresses(set *object.Set, options Options) addresses {
	found := addresses{wanted: len(options.Addresses)+len(options.Publish) > 0}
	for _, address := range options.Addresses {
		found.add(address)
	}
	for _, ref := range options.Publish {
		s, ok := object.Get[*core.Service](set, "Service", ref.Namespace, ref.Name)
		if !ok {
			continue
		}
		for _, address := range serviceAddresses(s) {
			found.add(address)
		}
	}
	return found
}

func serviceAddresses(s *core.Service) []string {
	var found []string
	for _, one := range s.Status.LoadBalancer.Ingress {
		if one.IP != "" {
			found = append(found, one.IP)
		} else if one.Hostname != "" {
			found = append(found, one.Hostname)
		}
	}
	found = append(found, s.Spec.ExternalIPs...)
	if s.Spec.ExternalName != "" {
		found = append(found, s.Spec.ExternalName)
	}
	if len(found) == 0 && s.Spec.Type != core.ServiceTypeLoadBalancer {
		for _, ip := range s.Spec.ClusterIPs {
			if ip != core.ClusterIPNone {
				found = append(found, ip)
			}
		}
	}
	return found
}
