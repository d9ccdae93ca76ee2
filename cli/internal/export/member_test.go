package export

import (
	"testing"

	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

func TestAnAgentIsAskedWhereItsGatewayIs(t *testing.T) {
	for _, tt := range []struct{ agent, proxy, want string }{
		{"[::]:7453", "gateway-1:8000", "gateway-1:7453"},
		{"127.0.0.1:7453", "gateway-1:8000", "gateway-1:7453"},
		{"10.0.0.1:7453", "10.0.0.2:8000", "10.0.0.1:7453"},
		{"[::]:7453", "", "[::]:7453"},
		{"", "gateway-1:8000", ""},
	} {
		if got := AgentAddress(&registryv1.Node{AgentAddress: tt.agent, ProxyAddress: tt.proxy}); got != tt.want {
			t.Errorf("the agent at %q beside %q is asked at %q, want %q", tt.agent, tt.proxy, got, tt.want)
		}
	}
}
