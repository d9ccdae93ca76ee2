package status

import (
	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/kongcrd"
)

// resources are where an API server has the objects whose statuses are written, with the version for objects that do not say theirs.
var resources = map[schema.GroupKind]schema.GroupVersionResource{
	{Group: gateway.GroupName, Kind: "GatewayClass"}:         {Version: "v1", Resource: "gatewayclasses"},
	{Group: gateway.GroupName, Kind: "Gateway"}:              {Version: "v1", Resource: "gateways"},
	{Group: gateway.GroupName, Kind: "ListenerSet"}:          {Version: "v1", Resource: "listenersets"},
	{Group: gateway.GroupName, Kind: "HTTPRoute"}:            {Version: "v1", Resource: "httproutes"},
	{Group: gateway.GroupName, Kind: "GRPCRoute"}:            {Version: "v1", Resource: "grpcroutes"},
	{Group: gateway.GroupName, Kind: "TLSRoute"}:             {Version: "v1", Resource: "tlsroutes"},
	{Group: gateway.GroupName, Kind: "TCPRoute"}:             {Version: "v1", Resource: "tcproutes"},
	{Group: gateway.GroupName, Kind: "UDPRoute"}:             {Version: "v1", Resource: "udproutes"},
	{Group: gateway.GroupName, Kind: "BackendTLSPolicy"}:     {Version: "v1", Resource: "backendtlspolicies"},
	{Group: networking.GroupName, Kind: "Ingress"}:           {Version: "v1", Resource: "ingresses"},
	{Group: kongcrd.Group, Kind: kongcrd.KindPlugin}:         {Version: "v1", Resource: "kongplugins"},
	{Group: kongcrd.Group, Kind: kongcrd.KindClusterPlugin}:  {Version: "v1", Resource: "kongclusterplugins"},
	{Group: kongcrd.Group, Kind: kongcrd.KindConsumer}:       {Version: "v1", Resource: "kongconsumers"},
	{Group: kongcrd.Group, Kind: kongcrd.KindConsumerGroup}:  {Version: "v1beta1", Resource: "kongconsumergroups"},
	{Group: kongcrd.Group, Kind: kongcrd.KindUpstreamPolicy}: {Version: "v1beta1", Resource: "kongupstreampolicies"},
	{Group: kongcrd.Group, Kind: kongcrd.KindVault}:          {Version: "v1alpha1", Resource: "kongvaults"},
	{Group: kongcrd.Group, Kind: kongcrd.KindCustomEntity}:   {Version: "v1alpha1", Resource: "kongcustomentities"},
}

// ResourceOf is where an API server has the objects of a kind; not ok for kinds whose status is nobody's of ours.
func ResourceOf(kind schema.GroupVersionKind) (schema.GroupVersionResource, bool) {
	resource, ok := resources[kind.GroupKind()]
	resource.Group = kind.Group
	if kind.Version != "" {
		resource.Version = kind.Version
	}
	return resource, ok
}
