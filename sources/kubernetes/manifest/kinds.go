package manifest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/kongcrd"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

const experimentalGroup = "gateway.networking.x-k8s.io"

// scope is whether objects of a kind live in namespaces.
type scope bool

const (
	namespaced scope = true
	cluster    scope = false
)

// kind is how objects of a kind are read. Every version of a kind is read as its newest: the fields that are read here never changed.
type kind struct {
	scope scope
	make  func() object.Object
}

func of[T any, P interface {
	*T
	object.Object
}](s scope) kind {
	return kind{s, func() object.Object { return P(new(T)) }}
}

// kinds are the kinds that are read, those included that are refused by their name.
var kinds = map[schema.GroupKind]kind{
	{Group: "", Kind: "Service"}:   of[core.Service](namespaced),
	{Group: "", Kind: "Secret"}:    of[core.Secret](namespaced),
	{Group: "", Kind: "ConfigMap"}: of[core.ConfigMap](namespaced),
	{Group: "", Kind: "Namespace"}: of[core.Namespace](cluster),

	{Group: discovery.GroupName, Kind: "EndpointSlice"}: of[discovery.EndpointSlice](namespaced),
	{Group: networking.GroupName, Kind: "Ingress"}:      of[networking.Ingress](namespaced),
	{Group: networking.GroupName, Kind: "IngressClass"}: of[networking.IngressClass](cluster),

	{Group: gateway.GroupName, Kind: "GatewayClass"}:     of[gateway.GatewayClass](cluster),
	{Group: gateway.GroupName, Kind: "Gateway"}:          of[gateway.Gateway](namespaced),
	{Group: gateway.GroupName, Kind: "ListenerSet"}:      of[gateway.ListenerSet](namespaced),
	{Group: experimentalGroup, Kind: "XListenerSet"}:     of[kongcrd.Unsupported](namespaced),
	{Group: gateway.GroupName, Kind: "HTTPRoute"}:        of[gateway.HTTPRoute](namespaced),
	{Group: gateway.GroupName, Kind: "GRPCRoute"}:        of[gateway.GRPCRoute](namespaced),
	{Group: gateway.GroupName, Kind: "TLSRoute"}:         of[gateway.TLSRoute](namespaced),
	{Group: gateway.GroupName, Kind: "TCPRoute"}:         of[gateway.TCPRoute](namespaced),
	{Group: gateway.GroupName, Kind: "UDPRoute"}:         of[gateway.UDPRoute](namespaced),
	{Group: gateway.GroupName, Kind: "ReferenceGrant"}:   of[gateway.ReferenceGrant](namespaced),
	{Group: gateway.GroupName, Kind: "BackendTLSPolicy"}: of[gateway.BackendTLSPolicy](namespaced),

	{Group: kongcrd.Group, Kind: kongcrd.KindPlugin}:                 of[kongcrd.Plugin](namespaced),
	{Group: kongcrd.Group, Kind: kongcrd.KindClusterPlugin}:          of[kongcrd.Plugin](cluster),
	{Group: kongcrd.Group, Kind: kongcrd.KindConsumer}:               of[kongcrd.Consumer](namespaced),
	{Group: kongcrd.Group, Kind: kongcrd.KindConsumerGroup}:          of[kongcrd.ConsumerGroup](namespaced),
	{Group: kongcrd.Group, Kind: kongcrd.KindUpstreamPolicy}:         of[kongcrd.UpstreamPolicy](namespaced),
	{Group: kongcrd.Group, Kind: kongcrd.KindIngress}:                of[kongcrd.Ingress](namespaced),
	{Group: kongcrd.Group, Kind: kongcrd.KindVault}:                  of[kongcrd.Vault](cluster),
	{Group: kongcrd.Group, Kind: kongcrd.KindCustomEntity}:           of[kongcrd.CustomEntity](namespaced),
	{Group: kongcrd.Group, Kind: kongcrd.KindIngressClassParameters}: of[kongcrd.IngressClassParameters](namespaced),
	{Group: kongcrd.IncubatorGroup, Kind: kongcrd.KindServiceFacade}: of[kongcrd.ServiceFacade](namespaced),
	{Group: kongcrd.Group, Kind: kongcrd.KindLicense}:                of[kongcrd.Unsupported](cluster),
	{Group: kongcrd.Group, Kind: kongcrd.KindTCPIngress}:             of[kongcrd.Unsupported](namespaced),
	{Group: kongcrd.Group, Kind: kongcrd.KindUDPIngress}:             of[kongcrd.Unsupported](namespaced),
}

// A Kind is a kind that is read.
type Kind struct {
	schema.GroupKind
	Namespaced bool
	// New makes an empty object of it.
	New func() object.Object
}

// Kinds lists the kinds that are read, those included that are refused by their name, by group and name.
func Kinds() []Kind {
	list := make([]Kind, 0, len(kinds))
	for name, k := range kinds {
		list = append(list, Kind{GroupKind: name, Namespaced: bool(k.scope), New: k.make})
	}
	slices.SortFunc(list, func(a, b Kind) int { return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Kind, b.Kind)) })
	return list
}

// Decode reads the JSON of an object of a kind. Its error holds no value of the object.
func Decode(k Kind, text []byte) (object.Object, error) {
	obj := k.New()
	if err := json.Unmarshal(text, obj); err != nil {
		return nil, errors.New("the object does not decode: " + withoutValues(err))
	}
	return obj, nil
}

// add decodes one object into the set. A kind of a group that is read here, but is not read itself, is a problem; others mean nothing to
// a gateway.
func (r *reader) add(h head, text []byte) error {
	group, _, versioned := strings.Cut(h.APIVersion, "/")
	if !versioned {
		group = ""
	}
	ref := object.Ref{Group: group, Kind: h.Kind, Namespace: h.Metadata.Namespace, Name: h.Metadata.Name}
	if h.APIVersion == "" {
		r.problem(ref, object.ReasonInvalid, "the object has no apiVersion")
		return nil
	}
	k, known := kinds[schema.GroupKind{Group: group, Kind: h.Kind}]
	if !known {
		if group == kongcrd.Group || group == kongcrd.IncubatorGroup || group == gateway.GroupName || group == experimentalGroup {
			r.problem(ref, object.ReasonUnsupported, "objects of kind "+h.Kind+" are not translated")
		}
		return nil
	}
	if h.Metadata.Name == "" {
		return fmt.Errorf("a %s has no name", h.Kind)
	}
	obj := k.make()
	if err := json.Unmarshal(text, obj); err != nil {
		r.problem(ref, object.ReasonInvalid, "the object does not decode: "+withoutValues(err))
		return nil
	}
	if k.scope == cluster {
		obj.SetNamespace("")
	}
	r.set.Add(obj)
	return nil
}

func (r *reader) problem(ref object.Ref, reason object.Reason, message string) {
	r.problems = append(r.problems, object.Problem{Objects: []object.Ref{ref}, Reason: reason, Message: message})
}

// withoutValues says what is wrong with a field, without what stands in it: it can be a part of a secret.
func withoutValues(err error) string {
	if wrong, ok := err.(*json.UnmarshalTypeError); ok { //nolint:errorlint // encoding/json returns it as it is
		return fmt.Sprintf("%s cannot be a %s", wrong.Field, wrong.Value)
	}
	return "a value has the wrong form"
}
