package status

import (
	"slices"

	gateway "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/pkg/features"
)

// supported are the features of the Gateway API that work with both router flavors. Each is one that the requests or the conditions of the
// conformance suite hold for, which a test sees to. Of the status codes of redirections only those of the core are among them: the suite
// asks for 303, 307 and 308 without a host, and Kong's plugin redirect answers 500 where it keeps the path and has no host.
var supported = []features.FeatureName{
	features.SupportGateway, features.SupportGatewayAddressEmpty, features.SupportGatewayPort8080, features.SupportListenerSet,
	features.SupportGRPCRoute, features.SupportHTTPRoute, features.SupportHTTPRouteHostRewrite, features.SupportHTTPRoutePathRewrite,
	features.SupportHTTPRouteNamedRouteRule,
	features.SupportHTTPRouteResponseHeaderModification, features.SupportReferenceGrant, features.SupportTCPRoute, features.SupportTLSRoute,
	features.SupportTLSRouteModeTerminate, features.SupportUDPRoute,
}

// withExpressions are those that need the router flavor expressions.
var withExpressions = []features.FeatureName{features.SupportHTTPRouteMethodMatching, features.SupportHTTPRouteQueryParamMatching}

// Features lists the features that a GatewayClass has, sorted by name, as the Gateway API asks.
func Features(expressions bool) []gateway.SupportedFeature {
	names := supported
	if expressions {
		names = slices.Concat(supported, withExpressions)
	}
	var listed []gateway.SupportedFeature
	for _, name := range slices.Sorted(slices.Values(names)) {
		listed = append(listed, gateway.SupportedFeature{Name: gateway.FeatureName(name)})
	}
	return listed
}
