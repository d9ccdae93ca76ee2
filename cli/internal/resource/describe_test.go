package resource

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/kit/screen"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

func TestDescribeWrapsAtTheWidthOfTheTerminal(t *testing.T) {
	const width = 50
	var out strings.Builder
	a := &app.App{Out: &out, Now: time.Now, Size: func() (int, int) { return width, 24 }}
	printNode(a, &registryv1.Node{Group: "edge", Name: "gw-1", Status: &fleetv1.NodeStatus{Conditions: []*fleetv1.Condition{
		{Type: "GatewayUnreachable", Since: timestamppb.Now(), Message: strings.Repeat("no answer from Kong ", 9) + "\nState: ready"},
	}}})
	for line := range strings.Lines(out.String()) {
		if line = strings.TrimSuffix(line, "\n"); screen.Width(line) > width || strings.HasPrefix(line, "State: ready") {
			t.Errorf("not within %d columns, or a message passes for a field: %q", width, line)
		}
	}
}

func TestDeleteNodeSaysWhetherItRevokes(t *testing.T) {
	for _, tt := range []struct {
		certificate   string
		keep, revokes bool
	}{{"user.crt", false, true}, {"user.crt", true, false}, {"", false, false}} {
		a := &app.App{}
		a.Flags.TLS.CertFile = tt.certificate
		if text := forgets(a, "gw-1", "edge", tt.keep); strings.Contains(text, "revoke") != tt.revokes {
			t.Errorf("with the certificate %q and --keep-certificates=%v: %s", tt.certificate, tt.keep, text)
		}
	}
}
