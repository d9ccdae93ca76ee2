package status

import (
	"slices"

	gateway "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/pkg/features"
)

// supported are the features of the Gateway API that work with both router flavors. Each is one that the requests or the conditions of the
// conformance suite hold for, which a test sees to. HTTPRoutePortRedirect is not among them although ports are redirected to: its test has
// routes with one path at two ports, and Kong has one router for both.
var supported = []features.FeatureName{
	features.SupportGateway, features.SupportGatewayAddressEmpty, features.SupportGatewayPort8080, features.SupportListenerSet,
	features.SupportGRPCRoute, features.SupportHTTPRoute, features.SupportHTTPRouteHostRewrite, features.SupportHTTPRoutePathRewrite,
	features.SupportHTTPRouteNamedRouteRule, features.SupportHTTPRouteSchemeRedirect, features.SupportHTTPRoutePathRedirect,
	features.SupportHTTPRoute303RedirectStatusCode, features.SupportHTTPRoute307RedirectStatusCode,
	features.SupportHTTPRoute308RedirectStatusCode,
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
