package agent_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kong/snapshot"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// backends are two servers behind a gateway.
type backends struct {
	address [2]string
	served  [2]atomic.Int64
}

func serveBackends(t *testing.T) *backends {
	b := &backends{}
	for i := range b.address {
		s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { b.served[i].Add(1) }))
		t.Cleanup(s.Close)
		b.address[i] = strings.TrimPrefix(s.URL, "http://")
	}
	return b
}

// pool is a snapshot with an upstream of both backends at /pool, and one without health checks; route makes it different from others.
func (b *backends) pool(t *testing.T, route string) *snapshot.Snapshot {
	t.Helper()
	entities := []snapshot.Entity{
		{Kind: "upstreams", ID: "u1", Key: "pool",
			JSON: []byte(`{"healthchecks":{"passive":{"unhealthy":{"tcp_failures":3}}},"id":"u1","name":"pool"}`)},
		{Kind: "upstreams", ID: "u2", Key: "unchecked", JSON: []byte(`{"id":"u2","name":"unchecked"}`)},
		{Kind: "services", ID: "s1", Key: "pool", JSON: []byte(`{"host":"pool","id":"s1","name":"pool"}`)},
		{Kind: "routes", ID: "r1", Key: "pool", JSON: []byte(`{"id":"r1","name":"pool","paths":["/pool"],"service":{"id":"s1"}}`)},
		{Kind: "routes", ID: "r2", Key: route,
			JSON: fmt.Appendf(nil, `{"id":"r2","name":%q,"paths":["/%s"],"service":{"id":"s1"}}`, route, route)},
	}
	for i, address := range b.address {
		for u := 1; u <= 2; u++ {
			id := fmt.Sprintf("t%d%d", u, i)
			entities = append(entities, snapshot.Entity{Kind: "targets", ID: id, Key: id,
				JSON: fmt.Appendf(nil, `{"id":%q,"target":%q,"upstream":{"id":"u%d"}}`, id, address, u)})
		}
	}
	s, err := snapshot.Seal(withUUIDs(entities))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// withUUIDs gives short ids the form that a gateway takes.
func withUUIDs(entities []snapshot.Entity) []snapshot.Entity {
	for i, e := range entities {
		for _, id := range []string{"u1", "u2", "s1", "r1", "r2", "t10", "t11", "t20", "t21"} {
			long := fmt.Sprintf("%x", id)
			long = "00000000-0000-4000-8000-" + strings.Repeat("0", 12-len(long)) + long
			e.JSON = []byte(strings.ReplaceAll(string(e.JSON), `"id":"`+id+`"`, `"id":"`+long+`"`))
			if e.ID == id {
				e.ID = long
			}
		}
		entities[i] = e
	}
	return entities
}

// keepOut sends a set of targets of upstreams, each as "upstream target".
func (n *node) keepOut(version int64, names ...string) {
	n.t.Helper()
	set := &distributorv1.TargetSet{Version: version}
	for _, name := range names {
		upstream, target, _ := strings.Cut(name, " ")
		if last := len(set.Upstreams) - 1; last < 0 || set.Upstreams[last].GetName() != upstream {
			set.Upstreams = append(set.Upstreams, &distributorv1.TargetSet_Upstream{Name: upstream})
		}
		last := set.Upstreams[len(set.Upstreams)-1]
		last.Targets = append(last.Targets, target)
	}
	n.controlPlane.Send(n.t, &distributorv1.FollowAssignmentResponse{
		Message: &distributorv1.FollowAssignmentResponse_TargetSet{TargetSet: set}})
}

// reached reports whether the backend gets any of some requests.
func (n *node) reached(b *backends, backend int) bool {
	before := b.served[backend].Load()
	for range 10 {
		if code := n.proxied("/pool"); code != http.StatusOK {
			n.t.Fatalf("/pool answers %d", code)
		}
	}
	return b.served[backend].Load() > before
}

func (n *node) out(want int) {
	n.t.Helper()
	n.until(fmt.Sprintf("%d targets are seen out", want), func() bool {
		v := n.agent.Status().Targets
		return v != nil && v.Out == want && v.Releasing == 0
	})
}

func TestATargetIsKeptOutOverLoadsAndRestarts(t *testing.T) {
	b := serveBackends(t)
	n := newNode(t, kongtest.Workers(2))
	n.started()
	first, second := b.pool(t, "one"), b.pool(t, "two")
	n.acked(1, 10, nil, first)
	if !n.reached(b, 0) || !n.reached(b, 1) {
		t.Fatal("not every target gets requests")
	}
	loads := n.kong.Loads()
	n.keepOut(5, "pool "+b.address[0])
	n.out(1)
	if n.reached(b, 0) || !n.reached(b, 1) || n.kong.Loads() != loads {
		t.Errorf("it is reached, or %d loads became %d", loads, n.kong.Loads())
	}
	// The gateway forgets it with each load, and the ack waits until it was told.
	n.acked(2, 11, first, second)
	if n.reached(b, 0) || n.proxied("/two") != http.StatusOK {
		t.Error("after a load it is reached")
	}
	n.out(1)
	if err := n.kong.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.until("it is out after a restart of the gateway", func() bool { return !n.reached(b, 0) })
	n.out(1)
	// Older sets change nothing, and the same neither.
	n.keepOut(4)
	n.keepOut(5)
	n.until("the registry knows", func() bool {
		told := n.controlPlane.LastStatus().GetDrainedTargets()
		return told.GetVersion() == 5 && told.GetOutCount() == 1 && told.GetWantedCount() == 1
	})
	// Both are killed, and start without the control plane.
	n.stop()
	n.controlPlane.Stop()
	n.kong.Kill()
	if err := n.kong.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.start()
	n.until("it is out after everything was killed", func() bool { return !n.reached(b, 0) })
	n.out(1)
	n.stop()
	n.controlPlane.Serve(t)
	if h := n.started(); h.GetTargetSetVersion() != 5 {
		t.Errorf("the hello says %v", h)
	}
	n.keepOut(6)
	n.until("it is let in again", func() bool { return n.reached(b, 0) })
	n.out(0)
}

// A gateway that keeps its targets out over loads must be told to let them in.
func TestATargetIsLetInAgainAlthoughTheGatewayRemembers(t *testing.T) {
	b := serveBackends(t)
	n := newNode(t)
	n.kong.KeepHealth(true)
	n.started()
	first, second := b.pool(t, "one"), b.pool(t, "two")
	n.acked(1, 10, nil, first)
	n.keepOut(1, "pool "+b.address[0], "pool "+b.address[1])
	n.out(2)
	// The agent learns of the next set while its gateway is away.
	n.kong.Kill()
	n.until("the gateway is away", func() bool { return !n.agent.Status().GatewayReachable })
	n.keepOut(2, "pool "+b.address[1])
	n.until("it is not let in yet", func() bool { v := n.agent.Status().Targets; return v.Releasing == 1 })
	n.stop()
	if err := n.kong.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, n.kong.AdminURL()+"/upstreams/pool/targets/"+b.address[0]+"/unhealthy")
	put(t, n.kong.AdminURL()+"/upstreams/pool/targets/"+b.address[1]+"/unhealthy")
	n.started()
	n.acked(2, 11, first, second)
	n.until("the first is let in", func() bool { return n.reached(b, 0) })
	n.out(1)
	if n.reached(b, 1) {
		t.Error("the second is reached")
	}
}

func put(t *testing.T, url string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusNoContent {
		t.Fatalf("%v, %v", resp, err)
	}
	_ = resp.Body.Close()
}

func TestWhatCannotBeKeptOutIsACondition(t *testing.T) {
	b := serveBackends(t)
	n := newNode(t)
	n.started()
	first := b.pool(t, "one")
	n.acked(1, 10, nil, first)
	n.keepOut(1, "none 10.0.0.1:80", "pool "+b.address[0], "pool 127.0.0.1:1", "unchecked "+b.address[1])
	n.until("the condition names it", func() bool {
		c := n.condition("TargetsNotDrained")
		return strings.Contains(c, "1 of 4") && strings.Contains(c, b.address[1]) && strings.Contains(c, "no health checks")
	})
	n.until("what is absent is counted", func() bool { v := n.agent.Status().Targets; return v.Absent == 2 && v.Out == 1 })
	if n.reached(b, 0) {
		t.Error("the one that can be kept out is reached")
	}
	// It is no reason to hold up a load.
	n.acked(2, 11, first, b.pool(t, "two"))
	n.keepOut(2, "pool "+b.address[0])
	n.until("the condition ends", func() bool { return n.condition("TargetsNotDrained") == "" })
	// Somebody else lets it in: the agent looks from time to time.
	n.out(1)
	put(t, n.kong.AdminURL()+"/upstreams/pool/targets/"+b.address[0]+"/healthy")
	n.until("it is out again", func() bool { return !n.reached(b, 0) })
}

// A gateway that does not answer about targets holds up no load for long.
func TestATargetNeverHoldsUpALoad(t *testing.T) {
	b := serveBackends(t)
	n := newNode(t)
	slow := atomic.Bool{}
	front := n.frontOf(n.kong.AdminURL(), func(w http.ResponseWriter, r *http.Request) bool {
		if slow.Load() && strings.HasPrefix(r.URL.Path, "/upstreams/") {
			<-r.Context().Done()
			return true
		}
		return false
	})
	n.config.KongAdmin = front
	n.started()
	first := b.pool(t, "one")
	n.acked(1, 10, nil, first)
	n.keepOut(1, "pool "+b.address[0])
	n.out(1)
	slow.Store(true)
	began := time.Now()
	n.acked(2, 11, first, b.pool(t, "two"))
	t.Logf("the load took %s", time.Since(began))
	slow.Store(false)
	n.until("it is out in the end", func() bool { return !n.reached(b, 0) })
	n.out(1)
}

// frontOf is a proxy before a listener. What intercept answers does not reach it.
func (n *node) frontOf(address string, intercept func(http.ResponseWriter, *http.Request) bool) string {
	n.t.Helper()
	to, err := url.Parse(address)
	if err != nil {
		n.t.Fatal(err)
	}
	through := httputil.NewSingleHostReverseProxy(to)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !intercept(w, r) {
			through.ServeHTTP(w, r)
		}
	}))
	n.t.Cleanup(s.Close)
	return s.URL
}
