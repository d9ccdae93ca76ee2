package status

import (
	"net/netip"
	"slices"

	networking "k8s.io/api/networking/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
)

// maxAddresses is how many the status of a Gateway can hold.
const maxAddresses = 16

// add notes an address: an IP, or else the name of a host.
func (a *addresses) add(address string) {
	kind, entry := gateway.HostnameAddressType, networking.IngressLoadBalancerIngress{Hostname: address}
	if _, err := netip.ParseAddr(address); err == nil {
		kind, entry = gateway.IPAddressType, networking.IngressLoadBalancerIngress{IP: address}
	}
	if slices.ContainsFunc(a.gateways, func(known gateway.GatewayStatusAddress) bool { return known.Value == address }) {
		return
	}
	a.ingress = append(a.ingress, entry)
	if len(a.gateways) < maxAddresses {
		a.gateways = append(a.gateways, gateway.GatewayStatusAddress{Type: &kind, Value: address})
	}
}

// forGateway are the addresses that a Gateway gets: all, or of those that its spec asks for the ones that are there. Without a value any
// address of a type will do. Unusable is one that it asks for in vain.
func (a *addresses) forGateway(spec []gateway.GatewaySpecAddress) (given []gateway.GatewayStatusAddress, unusable string) {
	if len(spec) == 0 {
		return a.gateways, ""
	}
	for _, wanted := range spec {
		kind := gateway.IPAddressType
		if wanted.Type != nil {
			kind = *wanted.Type
		}
		fits := false
		for _, known := range a.gateways {
			if *known.Type == kind && (wanted.Value == "" || wanted.Value == known.Value) {
				fits = true
				if !slices.ContainsFunc(given, func(g gateway.GatewayStatusAddress) bool { return g.Value == known.Value }) {
					given = append(given, known)
				}
			}
		}
		if !fits && unusable == "" {
			unusable = string(kind) + " " + wanted.Value
		}
	}
	return given, unusable
}
