package view

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/agent"
	"github.com/silverback-gateway/silverback/kit/screen"
	"github.com/silverback-gateway/silverback/testkit/screentest"
)

var update = flag.Bool("update", false, "write the golden screens anew")

// An emulator draws the screen as a user sees it, so that wrapped lines and remains of earlier screens are found.
func TestScreens(t *testing.T) {
	for _, gateways := range []int{3, 40} {
		for _, width := range []int{60, 80, 120} {
			t.Run(fmt.Sprintf("%d-%d", gateways, width), func(t *testing.T) {
				terminal := screentest.New(width, 24)
				region := screen.NewRegion(terminal, terminal.Size)
				names, views := make([]string, gateways), make([]agent.View, gateways)
				for i := range gateways {
					names[i], views[i] = fmt.Sprintf("gw-%d", i+1), agent.View{Phase: "waiting"}
				}
				for i := range gateways {
					if err := region.Draw(layout(fmt.Sprintf("revision 1: wave 2 of 2: %d/%d serving", i, gateways), names, views, 24)...); err != nil {
						t.Fatal(err)
					}
					views[i] = agent.View{
						Phase: "serving", Revision: 1, Proven: true, Proof: "worker", GatewayReachable: true, GatewayReady: true,
						LoadTime: 4 * time.Millisecond, Loads: 1,
					}
				}
				views[1] = agent.View{Phase: "failing", Conditions: []agent.Condition{{Type: "GatewayUnreachable"}, {Type: "GatewayNotReady"},
					{Type: "NotConnected"}}}
				if err := region.Draw(layout(fmt.Sprintf("revision 1: wave 2 of 2 (completed): %d/%d serving, 1 left out", gateways-1, gateways-1),
					names, views, 24)...); err != nil {
					t.Fatal(err)
				}
				terminal.Fits(t)
				got, path := terminal.Screen(), filepath.Join("testdata", fmt.Sprintf("lab-%d-%d.txt", gateways, width))
				if *update {
					if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if got != string(want) {
					t.Errorf("a person sees\n%s\nwant\n%s", got, want)
				}
			})
		}
	}
}
