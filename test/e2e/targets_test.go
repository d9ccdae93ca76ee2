package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/test/e2e/suite"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// backends are servers behind all gateways. They know which gateway each request came by.
type backends struct {
	mu     sync.Mutex
	served [2]map[string]int // by gateway
	last   [2]time.Time
	hosts  [2]string
}

const byGateway = "X-Gateway"

func serveBackends(t *testing.T) *backends {
	b := &backends{}
	for i := range b.served {
		b.served[i] = map[string]int{}
		s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.served[i][r.Header.Get(byGateway)]++
			b.last[i] = time.Now()
		}))
		t.Cleanup(s.Close)
		b.hosts[i] = strings.TrimPrefix(s.URL, "http://")
	}
	return b
}

func (b *backends) count(backend int) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, served := range b.served[backend] {
		n += served
	}
	return n
}

func (b *backends) lastAt(backend int) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last[backend]
}

// more waits until a backend got so many more requests by each of the gateways.
func (b *backends) more(t *testing.T, backend, n int, gateways []*process.Gateway) {
	t.Helper()
	before := map[string]int{}
	b.mu.Lock()
	for name, served := range b.served[backend] {
		before[name] = served
	}
	b.mu.Unlock()
	process.Eventually(t, suite.Patience, fmt.Sprintf("every gateway sends backend %d %d requests", backend, n), func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, g := range gateways {
			if got := b.served[backend][g.Name] - before[g.Name]; got < n {
				return fmt.Errorf("%s sent %d", g.Name, got)
			}
		}
		return nil
	})
}

// document is a configuration of an upstream with both backends, with as many further routes as the edition says.
func (b *backends) document(t *testing.T, edition int) string {
	var more strings.Builder
	for i := range edition {
		fmt.Fprintf(&more, "  - name: edition-%d\n    paths: [/edition-%d]\n", i, i)
	}
	return suite.Write(t, "pool.yaml", fmt.Sprintf(`_format_version: "3.0"
services:
- name: pool
  host: pool
  routes:
  - name: pool
    paths: [/pool]
%supstreams:
- name: pool
  healthchecks: {passive: {unhealthy: {tcp_failures: 3}}}
  targets:
  - target: %s
  - target: %s
- name: unchecked
  targets:
  - target: %s
`, more.String(), b.hosts[0], b.hosts[1], b.hosts[0]))
}

// traffic asks every gateway all the time. It returns how many requests failed since it was asked last.
func traffic(t *testing.T, gateways []*process.Gateway) (failed func() int) {
	var mu sync.Mutex
	bad := 0
	stop := make(chan struct{})
	var asking sync.WaitGroup
	for _, g := range gateways {
		asking.Go(func() {
			tick := time.NewTicker(3 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-stop:
					return
				case <-tick.C:
				}
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.Proxy+"/pool", http.NoBody)
				if err != nil {
					continue
				}
				req.Header.Set(byGateway, g.Name)
				resp, err := http.DefaultClient.Do(req)
				if err == nil {
					_ = resp.Body.Close()
				}
				if err != nil || resp.StatusCode != http.StatusOK {
					mu.Lock()
					bad++
					mu.Unlock()
				}
			}
		})
	}
	t.Cleanup(func() { close(stop); asking.Wait() })
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		n := bad
		bad = 0
		return n
	}
}

func allPosts(t *testing.T, gateways []*process.Gateway) (sum int64) {
	t.Helper()
	for _, g := range gateways {
		n, err := g.Posts()
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}

func TestATargetIsDrained(t *testing.T) {
	etcd := etcdtest.Start(t)
	f := process.StartFleet(t, binaries, etcd.Endpoints, process.Config{Registries: 1, Translators: 1, Distributors: 2, Gateways: 3})
	cli, b := f.CLI(), serveBackends(t)
	target := func(verb string, code int, says string, args ...string) process.Result {
		t.Helper()
		return suite.Want(t, cli.Run(t, append([]string{"target", verb, "-g", process.Group}, args...)...), code, says)
	}
	suite.Want(t, cli.Run(t, "apply", "-g", process.Group, "--wait", b.document(t, 0)), 0)
	failed := traffic(t, f.Gateways)
	b.more(t, 0, 20, f.Gateways)
	b.more(t, 1, 20, f.Gateways)
	out := func(what string) {
		t.Helper()
		before := b.count(0)
		b.more(t, 1, 100, f.Gateways)
		if got := b.count(0) - before; got > 0 {
			t.Errorf("%s: %d requests reached the drained target", what, got)
		}
	}

	posts, began := allPosts(t, f.Gateways), time.Now()
	target("drain", 0, "1 target is drained; 3 of 3 online gateways obey", "pool", b.hosts[0], "--reason", "INC-42")
	confirmed := time.Since(began)
	out("drained")
	t.Logf("drain: the last request reached the target %s after the command began; it ended after %s", b.lastAt(0).Sub(began).
		Round(time.Millisecond), confirmed.Round(time.Millisecond))
	if got := allPosts(t, f.Gateways); got != posts {
		t.Errorf("%d configurations were posted for it", got-posts)
	}
	target("list", 0, "INC-42")
	suite.Want(t, cli.Run(t, "status"), 0, "1 target is kept out of upstreams; 3 of 3 online gateways obey")
	suite.Want(t, cli.Run(t, "describe", "group", process.Group), 0, "1 target is kept out")
	suite.Want(t, cli.Run(t, "describe", "node", f.Gateways[0].Name, "-g", process.Group), 0, "1 of 1 drained ones are out")
	target("drain", 0, "nothing changes", "pool", b.hosts[0])
	target("drain", 1, "--force", "pool", b.hosts[1])
	target("drain", 1, "no health checks", "unchecked", b.hosts[0])
	target("drain", 1, "no such upstream", "pools", b.hosts[0])

	// Every gateway loads, and forgets what it kept out.
	before := b.count(0)
	suite.Want(t, cli.Run(t, "apply", "-g", process.Group, "--wait", b.document(t, 1)), 0)
	t.Logf("apply: %d requests reached the target while three gateways loaded", b.count(0)-before)
	out("after an apply")
	if got := allPosts(t, f.Gateways); got != posts+3 {
		t.Errorf("%d configurations were posted for one revision", got-posts)
	}
	if n := failed(); n > 0 {
		t.Errorf("%d requests failed", n)
	}

	// A gateway and its agent are killed, and come back with no control plane there.
	for _, s := range f.Services() {
		s.Kill()
	}
	dead := f.Gateways[0]
	dead.Agent.Kill()
	dead.Kong.Kill()
	before = b.count(0)
	dead.Kong.Restart()
	dead.Agent.Restart()
	process.Eventually(t, suite.Patience, "the agent keeps it out", func() error {
		v, err := dead.View()
		if err == nil && v.Targets.Out != 1 {
			err = fmt.Errorf("the agent says %+v", v.Targets)
		}
		return err
	})
	t.Logf("kill: %d requests reached the target before the agent was there", b.count(0)-before)
	out("after both were killed")
	failed()
	for _, s := range f.Services() {
		s.Restart()
	}
	for _, s := range f.Services() {
		s.WaitReady()
	}
	began = time.Now()
	process.Eventually(t, suite.Patience, "it is undrained", func() error {
		if r := cli.Run(t, "target", "undrain", "-g", process.Group, "pool", b.hosts[0]); r.Code != 0 {
			return fmt.Errorf("%s%s", r.Stdout, r.Stderr)
		}
		return nil
	})
	t.Logf("undrain: the command ended after %s", time.Since(began).Round(time.Millisecond))
	b.more(t, 0, 20, f.Gateways)
	b.more(t, 1, 20, f.Gateways)
	if n := failed(); n > 0 {
		t.Errorf("%d requests failed", n)
	}
	if r := target("list", 0, ""); strings.Contains(r.Stdout, "INC-42") {
		t.Errorf("the list is\n%s", r.Stdout)
	}
}
