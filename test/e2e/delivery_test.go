package e2e_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/lab"
	"github.com/silverback-gateway/silverback/test/e2e/labfleet"
	"github.com/silverback-gateway/silverback/test/e2e/suite"
	"github.com/silverback-gateway/silverback/test/process"
)

// Three teams share a group, and gateways refuse an object of one. The other two arrive, the third is pinned and reads why, and its fix
// arrives.
func TestOneOfThreeTeamsIsPinned(t *testing.T) {
	f := labfleet.Start(t, binaries, lab.Config{Gateways: 3})
	for _, m := range f.Gateways() {
		m.Simulated.RefuseRoute("refunds")
	}
	apply := func(team string, paths ...string) process.Result {
		file := suite.Write(t, team+".yaml", strings.ReplaceAll(suite.Shop(f.Echo(), paths...), "name: shop", "name: "+team))
		return f.CLI.Run(t, "apply", "-g", lab.Group, "-s", team, "--wait", file)
	}
	suite.Want(t, f.CLI.Run(t, "update", "group", lab.Group, "--on-reject", "pin"), 0, "on-reject pin")
	suite.Want(t, apply("team-a", "orders"), 0)
	var teams sync.WaitGroup
	results := make([]process.Result, 3)
	teams.Go(func() { results[0] = apply("team-a", "orders", "refunds") })
	teams.Go(func() { results[1] = apply("team-b", "carts") })
	teams.Go(func() { results[2] = apply("team-c", "stock") })
	teams.Wait()
	suite.Want(t, results[0], 2, "team-a.yaml:9", `route "refunds"`, "refused for the test", `source "team-a" is pinned`)
	suite.Want(t, results[1], 0, "is served by every online gateway")
	suite.Want(t, results[2], 0, "is served by every online gateway")
	for path, status := range map[string]int{"/orders": 200, "/carts": 200, "/stock": 200, "/refunds": 404} {
		suite.Routed(t, outside(f), path, status)
	}
	suite.Want(t, f.CLI.Run(t, "describe", "source", "team-a", "-g", lab.Group), 0, "refused for the test", "team-a.yaml:9")
	suite.Want(t, f.CLI.Run(t, "status"), 0, "in sync", "pinned", "team-a")
	suite.Want(t, apply("team-a", "orders", "returns"), 0, "is served by every online gateway")
	suite.Routed(t, outside(f), "/returns", 200)
	if r := f.CLI.Run(t, "status"); strings.Contains(r.Stdout, "pinned") {
		t.Errorf("the fix left the pin:\n%s", r.Stdout)
	}
}

// A change is taken back after another team has built on it: nobody can go back alone, so both are pinned, and each reads why.
func TestWhatAnotherTeamBuiltOnIsPinnedToo(t *testing.T) {
	f := labfleet.Start(t, binaries, lab.Config{Gateways: 3})
	team := func(name, text string) process.Result {
		return f.CLI.Run(t, "apply", "-g", lab.Group, "-s", name, suite.Write(t, name+".yaml", "_format_version: '3.0'\n"+text))
	}
	service := func(name string) string { return "- {name: " + name + ", url: 'http://" + f.Echo() + "'}\n" }
	completes := func(revision string) {
		t.Helper()
		process.Eventually(t, suite.Patience, "revision "+revision+" completes", func() error {
			if r := f.CLI.Run(t, "rollout", "status", "-g", lab.Group); !strings.Contains(r.Stdout, "To:         revision "+revision+" ") ||
				!strings.Contains(r.Stdout, "completed") {
				return errors.New(r.Stdout)
			}
			return nil
		})
	}
	suite.Want(t, team("team-a", "services:\n"+service("orders")), 0)
	completes("1")
	suite.Want(t, f.CLI.Run(t, "update", "group", lab.Group, "--waves", "1:1h,100%"), 0)
	suite.Want(t, team("team-a", "services:\n"+service("orders")+service("pay")), 0)
	suite.Want(t, team("team-b", "routes:\n- {name: pay, service: {name: pay}, paths: [/pay]}\n"), 0, "revision 3")
	suite.Want(t, f.CLI.Run(t, "rollout", "abort", "-g", lab.Group, "--reason", "payments are down"), 0)
	completes("4")
	for _, name := range []string{"team-a", "team-b"} {
		suite.Want(t, f.CLI.Run(t, "describe", "source", name, "-g", lab.Group), 0, "Pinned:", "payments are down",
			"other sources need what is taken back")
	}
	suite.Want(t, f.CLI.Run(t, "status"), 0, "in sync", "team-a", "team-b")
	suite.Want(t, team("team-a", "services:\n"+service("orders")+service("pay")+service("stock")), 0)
	suite.Want(t, f.CLI.Run(t, "rollout", "promote", "--full", "-g", lab.Group, "--reason", "repaired"), 0)
	completes("5")
	suite.Want(t, f.CLI.Run(t, "unpin", "team-b", "-g", lab.Group, "--reason", "team-a has mended it"), 0)
	suite.Want(t, f.CLI.Run(t, "rollout", "promote", "--full", "-g", lab.Group, "--reason", "repaired"), 0)
	completes("6")
	suite.Routed(t, outside(f), "/pay", http.StatusOK)
}

// clients ask every gateway all the time, and count what fails.
type clients struct {
	mu               sync.Mutex
	requests, failed int
	first, last      time.Time
	gateways         map[string]bool // those on which requests failed
	stop             chan struct{}
	done             sync.WaitGroup
}

func startClients(gateways []*process.Gateway, path string) *clients {
	c := &clients{gateways: map[string]bool{}, stop: make(chan struct{})}
	for _, g := range gateways {
		c.done.Go(func() {
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-c.stop:
					return
				case <-tick.C:
				}
				status, _, err := g.Route(path)
				c.count(g.Name, err == nil && status == http.StatusOK)
			}
		})
	}
	return c
}

func (c *clients) count(gateway string, good bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	if good {
		return
	}
	if c.failed++; c.first.IsZero() {
		c.first = time.Now()
	}
	c.last, c.gateways[gateway] = time.Now(), true
}

func (c *clients) end() {
	close(c.stop)
	c.done.Wait()
}

// Configurations that every gateway accepts and that traffic does not survive reach the first wave alone, and are taken back unattended.
func TestWhatTrafficDoesNotSurviveIsTakenBack(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/slow"):
			<-time.After(250 * time.Millisecond)
		case strings.HasPrefix(r.URL.Path, "/broken"):
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = io.WriteString(w, "ok")
	}))
	defer upstream.Close()
	shop := func(path, plugin string) string {
		return suite.Write(t, "shop.yaml", fmt.Sprintf(`_format_version: "3.0"
services:
- name: orders
  url: %s/%s
  routes:
  - name: orders
    paths: [/orders]
%splugins:
- name: prometheus
  config: {status_code_metrics: true, latency_metrics: true}
`, upstream.URL, path, plugin))
	}
	f := labfleet.Start(t, binaries, lab.Config{Gateways: 10})
	good := shop("orders", "")
	suite.Want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "--allow-shrink", "--wait", good), 0)
	suite.Want(t, f.CLI.Run(t, "update", "group", lab.Group, "--waves", "1:40s,100%", "--gate", "error-ratio=1%",
		"--gate", "latency=p50+100%"), 0)
	for _, harm := range []struct{ name, path, plugin, gate string }{
		{"a plugin answers 503", "orders", "    plugins:\n    - name: request-termination\n      config: {status_code: 503}\n", "error-ratio"},
		{"a plugin refuses every request", "orders", "    plugins:\n    - name: key-auth\n", "error-ratio"},
		{"the upstream answers 503", "broken", "", "error-ratio"},
		{"the upstream is slow", "slow", "", "latency"},
	} {
		t.Run(harm.name, func(t *testing.T) {
			c := startClients(outside(f), "/orders")
			r := f.CLI.Run(t, "apply", "-g", lab.Group, "--wait", shop(harm.path, harm.plugin))
			suite.Want(t, r, 2, "rolled back: gate "+harm.gate+" failed in wave 1 of 2", "is pinned at its last good content")
			process.Eventually(t, suite.Patience, "the fleet is in sync again", func() error {
				if r := f.CLI.Run(t, "status"); r.Code != 0 {
					return fmt.Errorf("status says %s", r.Stdout)
				}
				return nil
			})
			c.end()
			suite.Routed(t, outside(f), "/orders", http.StatusOK)
			c.mu.Lock()
			defer c.mu.Unlock()
			t.Logf("%d of %d requests failed (%.2f %%), %v between the first and the last, on %d gateways", c.failed, c.requests,
				100*float64(c.failed)/float64(c.requests), c.last.Sub(c.first).Round(100*time.Millisecond), len(c.gateways))
			if len(c.gateways) > 1 {
				t.Errorf("requests failed on %v: more than the first wave", c.gateways)
			}
		})
	}
	// What was taken back does not come with somebody else's change.
	other := suite.Write(t, "other.yaml", strings.ReplaceAll(suite.Shop(f.Echo(), "carts"), "name: shop", "name: carts"))
	suite.Want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "-s", "team-b", "--express", "--reason", "the test goes on", "--wait", other), 0)
	suite.Routed(t, outside(f), "/orders", http.StatusOK)
	suite.Routed(t, outside(f), "/carts", http.StatusOK)
}

// TestVerbs goes through what an operator may order.
func TestVerbs(t *testing.T) {
	f := labfleet.Start(t, binaries, lab.Config{Gateways: 3})
	shop := func(paths ...string) string { return suite.Write(t, "shop.yaml", suite.Shop(f.Echo(), paths...)) }
	order := func(code int, says string, args ...string) {
		t.Helper()
		suite.Want(t, f.CLI.Run(t, append(args, "-g", lab.Group, "--reason", "for the test")...), code, says)
	}
	apply := func(file string) {
		t.Helper()
		suite.Want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "--allow-shrink", file), 0)
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
	apply(shop("orders"))
	status("To:         revision 1", "completed")
	suite.Want(t, f.CLI.Run(t, "update", "group", lab.Group, "--waves", "1:1h,100%"), 0)
	apply(shop("orders", "carts"))
	status("To:         revision 2", "soaking")
	order(0, "paused", "rollout", "pause")
	status("pause by anonymous", "Next:       paused by an operator")
	order(0, "revision 2", "rollout", "resume")
	order(0, "revision 2", "rollout", "promote")
	status("To:         revision 2", "completed")
	order(1, "has ended", "rollout", "abort")
	apply(shop("orders", "carts", "stock"))
	status("To:         revision 3", "soaking")
	order(0, "revision 3", "rollout", "abort")
	status("To:         revision 4", "completed") // the pin of what was taken back
	suite.Routed(t, outside(f), "/stock", http.StatusNotFound)
	order(0, "", "unpin", "default")
	status("To:         revision 5", "soaking")
	order(0, "revision 5", "rollout", "promote", "--full")
	status("To:         revision 5", "completed")
	suite.Routed(t, outside(f), "/stock", http.StatusOK)
	order(0, "revision 6 has the content of revision 4 again", "rollout", "undo")
	order(0, "revision 6", "rollout", "promote", "--full")
	status("To:         revision 6", "completed")
	suite.Routed(t, outside(f), "/stock", http.StatusNotFound)
	order(0, "is frozen", "freeze")
	apply(shop("orders", "stock"))
	suite.Want(t, f.CLI.Run(t, "status"), 2, "frozen", "for the test")
	order(0, "is not frozen", "unfreeze")
	status("To:         revision 7", "soaking")
	order(0, "", "rollback", "--to", "2")
	order(0, "", "rollout", "promote", "--full")
	status("To:         revision 8", "completed")
	suite.Routed(t, outside(f), "/carts", http.StatusOK)
}
