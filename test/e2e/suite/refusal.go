package suite

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// typingError is a plugin whose Lua does not parse, which only a gateway sees: what schemas can tell is refused before, at the submission.
// Its field stands in the fourth line.
const typingError = "  plugins:\n  - name: pre-function\n    config:\n      access: [\"kong.response.exit(200\"]\n"

// aGatewayRefuses submits what no gateway takes: it must stop at the first wave.
func aGatewayRefuses(t *testing.T, f *Fleet) {
	f.apply(t, 0, nil, Write(t, "shop.yaml", Shop(f.Upstream, "orders")))
	n := Revisions(t, f.CLI, f.Group)
	before := f.views(t)
	good := Shop(f.Upstream, "orders", "refunds")
	bad := Write(t, "shop.yaml", good+typingError)
	r := f.apply(t, 2, says(fmt.Sprintf("revision %d committed", n+1), "wave 1 of 2", `plugin "pre-function"`, "syntax error",
		fmt.Sprintf("rollout of revision %d halted", n+1), fmt.Sprintf("the gateways serve revision %d", n)), bad)
	place := fmt.Sprintf("%s:%d", bad, strings.Count(good, "\n")+4) // of the field
	if !strings.Contains(r.Stderr, place) || !strings.Contains(r.Stderr, "(refused by "+strings.TrimRight(f.Gateways[0].Name, "0123456789")) {
		t.Errorf("the refusal does not name %s and the node:\n%s", place, r.Stderr)
	}
	asked := 0
	for i, after := range f.views(t) {
		if after.ReceivedBytes > before[i].ReceivedBytes {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("%d gateways were given what the first refused", asked)
	}
	Routed(t, f.Gateways, "/orders", http.StatusOK)
	Routed(t, f.Gateways, "/refunds", http.StatusNotFound)
	if err := f.serving(int64(n)); err != nil {
		t.Error(err)
	}
	f.do(t, 2, says("halted", "pre-function"), "rollout", "status")
	Want(t, f.CLI.Run(t, "status"), 2, "not in sync", "halted")
	f.apply(t, 2, says("unchanged", "halted"), bad)

	f.apply(t, 0, says(fmt.Sprintf("revision %d is served", n+2), f.all()), Write(t, "shop.yaml", Shop(f.Upstream, "orders", "returns")))
	Routed(t, f.Gateways, "/returns", http.StatusOK)
	Want(t, f.CLI.Run(t, "status"), 0, "in sync")
}
