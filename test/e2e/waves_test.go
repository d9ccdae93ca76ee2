package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/lab"
	"github.com/silverback-gateway/silverback/test/e2e/labfleet"
	"github.com/silverback-gateway/silverback/test/e2e/suite"
	"github.com/silverback-gateway/silverback/test/process"
)

// The six gateways of the lab are in the zones a, b, c, a, b, c.
func TestWavesByLabelAndWindows(t *testing.T) {
	f := labfleet.Start(t, binaries, lab.Config{Gateways: 6})
	shop := func(paths ...string) string { return suite.Write(t, "shop.yaml", suite.Shop(f.Echo(), paths...)) }
	run := func(code int, says string, args ...string) {
		t.Helper()
		suite.Want(t, f.CLI.Run(t, append(args, "-g", lab.Group)...), code, says)
	}
	status := func(says ...string) {
		t.Helper()
		process.Eventually(t, suite.Patience, fmt.Sprint("rollout status says ", says), func() error {
			r := f.CLI.Run(t, "rollout", "status", "-g", lab.Group)
			for _, text := range says {
				if !strings.Contains(r.Stdout, text) {
					return fmt.Errorf("%q is missing in:\n%s", text, r.Stdout)
				}
			}
			return nil
		})
	}
	policy := func(says string, args ...string) {
		t.Helper()
		suite.Want(t, f.CLI.Run(t, append([]string{"update", "group", lab.Group}, args...)...), 0, says)
	}
	run(0, "", "apply", shop("orders"))
	status("To:         revision 1", "completed")

	policy("", "--waves", "zone=b:1h,100%", "--spread", "zone,at-once=1")
	run(0, "", "apply", shop("orders", "carts"))
	status("To:         revision 2", "(zone=b)", "soaking", "2 in the waves so far, 2 serving")
	answers := map[int]int{}
	for _, g := range outside(f) {
		answer, err := http.Get(g.Proxy + "/carts")
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		answers[answer.StatusCode]++
	}
	if answers[http.StatusOK] != 2 || answers[http.StatusNotFound] != 4 {
		t.Errorf("the gateways answer %v, want two with the revision", answers)
	}
	run(0, "revision 2", "rollout", "promote", "--reason", "fine")
	status("To:         revision 2", "completed", "6 serving")

	policy("no node of default has the label zone=d yet", "--waves", "zone=d,100%")
	run(0, "", "apply", shop("orders"), "--allow-shrink")
	status("To:         revision 3", "waiting", "waits for a node with the label zone=d")
	run(0, "revision 3", "rollout", "promote", "--reason", "there is no zone d")
	status("To:         revision 3", "completed")

	policy("", "--waves", "1,100%", "--spread", "none", "--window", "0 0 29 2 * for 1h")
	run(0, "", "apply", shop("orders", "stock"))
	status("To:         revision 3", "revision 4 is rolled out when the change window opens")
	run(0, "", "rollout", "promote", "--reason", "INC-7")
	status("To:         revision 4", "completed", "promote by anonymous")
}
