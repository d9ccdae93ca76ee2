package kong_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/lab"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

// backends are servers behind a gateway that count what reaches them.
type backends struct {
	addresses []string
	served    []atomic.Int64
}

func serveBackends(t *testing.T, n int) *backends {
	b := &backends{served: make([]atomic.Int64, n)}
	for i := range n {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			b.served[i].Add(1)
			_, _ = fmt.Fprint(w, i)
		}))
		t.Cleanup(s.Close)
		b.addresses = append(b.addresses, strings.TrimPrefix(s.URL, "http://"))
	}
	return b
}

// pool is a configuration with an upstream of all backends, and one without health checks.
func (b *backends) pool(route string) string {
	targets := make([]string, len(b.addresses))
	for i, address := range b.addresses {
		targets[i] = fmt.Sprintf(`{"target":%q}`, address)
	}
	list := strings.Join(targets, ",")
	return `{"_format_version":"3.0","upstreams":[` +
		`{"name":"pool","healthchecks":{"passive":{"unhealthy":{"http_failures":100}}},"targets":[` + list + `]},` +
		`{"name":"unchecked","targets":[` + list + `]}],` +
		`"services":[{"name":"pool","host":"pool","routes":[{"name":"pool","paths":["` + route + `"]}]},` +
		`{"name":"unchecked","host":"unchecked","routes":[{"name":"unchecked","paths":["/unchecked"]}]}]}`
}

// spread sends some requests, each over a connection of its own, and returns how many reached each backend.
func (b *backends) spread(t *testing.T, k *target, path string) []int64 {
	t.Helper()
	before := make([]int64, len(b.served))
	for i := range b.served {
		before[i] = b.served[i].Load()
	}
	for range 40 {
		if got := get(t, k.proxy+path); got.code != http.StatusOK {
			t.Fatalf("%s: %s", path, got)
		}
	}
	for i := range b.served {
		before[i] = b.served[i].Load() - before[i]
	}
	return before
}

// reaches waits until the backend with that number gets requests, or none.
func (b *backends) reaches(t *testing.T, k *target, path string, number int, want bool) {
	t.Helper()
	eventually(t, fmt.Sprintf("backend %d gets requests: %v", number, want), func() error {
		if got := b.spread(t, k, path); (got[number] > 0) != want {
			return fmt.Errorf("spread over %v", got)
		}
		return nil
	})
}

func (k *target) health(t *testing.T, upstream string) map[string]string {
	t.Helper()
	var said struct {
		Data []struct{ Target, Health string }
	}
	decode(t, get(t, k.admin+"/upstreams/"+upstream+"/health?size=1000"), &said)
	all := map[string]string{}
	for _, d := range said.Data {
		all[d.Target] = d.Health
	}
	return all
}

func TestF46_ATargetIsTakenOutWithoutALoad(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		b := serveBackends(t, 2)
		k.load(t, b.pool("/pool"))
		k.servedBy(t, "/pool")
		path := k.admin + "/upstreams/pool/targets/" + b.addresses[0]
		hash := k.hash(t)
		b.reaches(t, k, "/pool", 0, true)

		if got := ask(t, http.MethodPut, path+"/unhealthy", ""); got.code != http.StatusNoContent {
			t.Fatalf("out: %s", got)
		}
		b.reaches(t, k, "/pool", 0, false)
		if got := b.spread(t, k, "/pool"); got[0] != 0 || got[1] != 40 {
			t.Errorf("spread over %v while it is out", got)
		}
		if got := k.health(t, "pool"); got[b.addresses[0]] != "UNHEALTHY" || got[b.addresses[1]] != "HEALTHY" {
			t.Errorf("health is %v", got)
		}
		if got := k.hash(t); got != hash {
			t.Errorf("the hash changed from %s to %s", hash, got)
		}

		if got := ask(t, http.MethodPut, path+"/healthy", ""); got.code != http.StatusNoContent {
			t.Fatalf("in: %s", got)
		}
		b.reaches(t, k, "/pool", 0, true)

		for _, c := range []struct {
			path string
			code int
		}{
			{"/upstreams/none/targets/" + b.addresses[0] + "/unhealthy", 404},
			{"/upstreams/pool/targets/127.0.0.1:1/unhealthy", 404},
			{"/upstreams/unchecked/targets/" + b.addresses[0] + "/unhealthy", 400}, // no healthchecker found for unchecked
			{"/upstreams/none/health", 404},
		} {
			method := http.MethodPut
			if strings.HasSuffix(c.path, "/health") {
				method = http.MethodGet
			}
			if got := ask(t, method, k.admin+c.path, ""); got.code != c.code {
				t.Errorf("%s: %s, want %d", c.path, got, c.code)
			}
		}
		if got := k.health(t, "unchecked"); got[b.addresses[0]] != "HEALTHCHECKS_OFF" {
			t.Errorf("without health checks: %v", got)
		}
	})
}

// F46 saw the next load forget what is out; a Kong 3.9.3 was seen to keep it. Both end with a PUT, and with a restart.
func TestF46_WhatIsOutEndsWithAPutOrARestart(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		b := serveBackends(t, 2)
		out := k.admin + "/upstreams/pool/targets/" + b.addresses[0] + "/unhealthy"
		k.load(t, b.pool("/before"))
		k.servedBy(t, "/before")
		if got := ask(t, http.MethodPut, out, ""); got.code != http.StatusNoContent {
			t.Fatalf("out: %s", got)
		}
		b.reaches(t, k, "/before", 0, false)
		k.load(t, b.pool("/after"))
		k.servedBy(t, "/after")
		t.Logf("the load forgot it: %v", b.spread(t, k, "/after")[0] > 0)
		if got := ask(t, http.MethodPut, out, ""); got.code != http.StatusNoContent {
			t.Fatalf("out after a load: %s", got)
		}
		b.reaches(t, k, "/after", 0, false)
		if got := ask(t, http.MethodPut, k.admin+"/upstreams/pool/targets/"+b.addresses[0]+"/healthy", ""); got.code != http.StatusNoContent {
			t.Fatalf("in after a load: %s", got)
		}
		b.reaches(t, k, "/after", 0, true)
		if got := ask(t, http.MethodPut, out, ""); got.code != http.StatusNoContent {
			t.Fatalf("out before a restart: %s", got)
		}
		b.reaches(t, k, "/after", 0, false)
		k.restartable(t)
		if k.root(t).Configuration.Declarative != "" {
			return // F30 says what happens then
		}
		k.restart(t)
		k.servedBy(t, "/after")
		b.reaches(t, k, "/after", 0, true)
	})
}

// servedBy waits until every worker has the route.
func (k *target) servedBy(t *testing.T, path string) {
	t.Helper()
	eventually(t, path+" is served", func() error {
		for range 20 {
			if got, err := try(t, http.MethodGet, k.proxy+path, ""); err != nil {
				return err
			} else if got.code != http.StatusOK {
				return fmt.Errorf("%s", got)
			}
		}
		return nil
	})
}

// A drain reaches the gateway, lasts over a new revision and over a restart of the gateway, and ends with the undrain.
func TestF46_AnAgentKeepsATargetOut(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		b := serveBackends(t, 2)
		l := fleetOf(t, k)
		conn, err := rpc.Dial(rpc.ClientConfig{Addresses: l.Distributor()})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		change := func(r *distributorv1.UpdateDrainedTargetsRequest) {
			t.Helper()
			r.Group, r.Reason = lab.Group, "conformance"
			eventually(t, "the distributor takes the change", func() error {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				_, err := distributorv1.NewTargetServiceClient(conn).UpdateDrainedTargets(ctx, r)
				return err
			})
		}
		first := []*distributorv1.Target{{Upstream: "pool", Target: b.addresses[0]}}
		submit(t, l, b.pool("/one"))
		k.servedBy(t, "/one")
		b.reaches(t, k, "/one", 0, true)
		change(&distributorv1.UpdateDrainedTargetsRequest{Add: first})
		b.reaches(t, k, "/one", 0, false)
		submit(t, l, b.pool("/two"))
		k.servedBy(t, "/two")
		b.reaches(t, k, "/two", 0, false)
		if k.restart != nil {
			k.restart(t)
			k.servedBy(t, "/two")
			b.reaches(t, k, "/two", 0, false)
			if got := b.spread(t, k, "/two"); got[0] > 0 {
				t.Errorf("after a restart the requests spread over %v", got)
			}
		}
		change(&distributorv1.UpdateDrainedTargetsRequest{Remove: first})
		b.reaches(t, k, "/two", 0, true)
	})
}
