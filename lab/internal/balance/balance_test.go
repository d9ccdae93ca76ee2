package balance_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/lab/internal/balance"
)

// site is a gateway and its agent.
type site struct {
	proxy, agent *httptest.Server
	ready        atomic.Bool
	asked        atomic.Int64 // requests that reached the gateway
}

func start(t *testing.T) *site {
	t.Helper()
	s := &site{}
	s.ready.Store(true)
	s.proxy = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		fmt.Fprint(w, r.Host)
	}))
	s.agent = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !s.ready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(s.proxy.Close)
	t.Cleanup(s.agent.Close)
	return s
}

func balancer(t *testing.T, sites ...*site) *balance.Balancer {
	t.Helper()
	return weighted(t, nil, sites...)
}

// weighted returns a balancer whose first gateways have weights.
func weighted(t *testing.T, weights []int, sites ...*site) *balance.Balancer {
	t.Helper()
	var gateways []balance.Gateway
	for i, s := range sites {
		text := fmt.Sprintf("gw-%d=%s,%s/readyz", i+1, s.proxy.URL, s.agent.URL)
		if i < len(weights) {
			text += fmt.Sprintf(",weight=%d", weights[i])
		}
		g, err := balance.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		gateways = append(gateways, g)
	}
	b := balance.New(gateways, time.Hour, slog.New(slog.DiscardHandler))
	b.Ask(t.Context())
	return b
}

// get returns the status of a request and the gateway that answered it.
func get(t *testing.T, b *balance.Balancer, method string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	b.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "http://shop.example/orders", nil))
	if w.Code == http.StatusOK && w.Body.String() != "shop.example" {
		t.Errorf("the gateway saw the host %q", w.Body.String())
	}
	return w.Code, w.Header().Get("X-Gateway")
}

func TestReadyGatewaysTakeTurns(t *testing.T) {
	one, two := start(t), start(t)
	b := balancer(t, one, two)
	for range 10 {
		if code, _ := get(t, b, http.MethodPost); code != http.StatusOK {
			t.Fatalf("status %d", code)
		}
	}
	if one.asked.Load() != 5 || two.asked.Load() != 5 {
		t.Errorf("ten requests went %d and %d times", one.asked.Load(), two.asked.Load())
	}
}

func TestAWeightIsAShare(t *testing.T) {
	canary, two, three := start(t), start(t), start(t)
	b := weighted(t, []int{1}, canary, two, three)
	last, inARow := "", 0
	for range 2 * 201 {
		_, name := get(t, b, http.MethodGet)
		if inARow++; name != last {
			last, inARow = name, 1
		}
		if inARow > 2 {
			t.Fatalf("%s has %d requests in a row: the others wait for their turn", name, inARow)
		}
	}
	if canary.asked.Load() != 2 || two.asked.Load() != 200 || three.asked.Load() != 200 {
		t.Errorf("requests went %d, %d and %d times, want 2, 200 and 200", canary.asked.Load(), two.asked.Load(), three.asked.Load())
	}
	two.ready.Store(false)
	three.ready.Store(false)
	b.Ask(t.Context())
	if code, name := get(t, b, http.MethodGet); code != http.StatusOK || name != "gw-1" {
		t.Errorf("status %d from %q: one with a small weight is better than none", code, name)
	}
}

func TestAGatewayThatIsNotReadyGetsNoRequests(t *testing.T) {
	one, two := start(t), start(t)
	b := balancer(t, one, two)
	one.ready.Store(false)
	b.Ask(t.Context())
	for range 10 {
		if code, name := get(t, b, http.MethodGet); code != http.StatusOK || name != "gw-2" {
			t.Fatalf("status %d from %q", code, name)
		}
	}
	two.ready.Store(false)
	b.Ask(t.Context())
	if code, _ := get(t, b, http.MethodGet); code != http.StatusBadGateway || one.asked.Load() > 0 {
		t.Errorf("with no gateway ready: status %d, %d requests", code, one.asked.Load())
	}
	one.ready.Store(true)
	b.Ask(t.Context())
	if code, name := get(t, b, http.MethodGet); code != http.StatusOK || name != "gw-1" {
		t.Errorf("ready again: status %d from %q", code, name)
	}
}

func TestASilentAgentIsNoRefusal(t *testing.T) {
	one, two := start(t), start(t)
	b := balancer(t, one, two)
	one.agent.Close()
	b.Ask(t.Context())
	if _, name := get(t, b, http.MethodGet); name != "gw-2" {
		t.Errorf("%q was asked, though another is known to be ready", name)
	}
	two.ready.Store(false)
	b.Ask(t.Context())
	if code, name := get(t, b, http.MethodGet); code != http.StatusOK || name != "gw-1" {
		t.Errorf("status %d from %q, want the gateway that serves without its agent", code, name)
	}
}

func TestWhatMayBeRepeatedIsSentToAnother(t *testing.T) {
	one, two := start(t), start(t)
	b := balancer(t, one, two)
	one.proxy.Close()
	failed := 0
	for range 4 {
		if code, _ := get(t, b, http.MethodGet); code != http.StatusOK {
			t.Errorf("GET: status %d", code)
		}
		for range 2 { // with the GET three requests for two gateways, so that not every POST meets the same one
			if code, _ := get(t, b, http.MethodPost); code == http.StatusBadGateway {
				failed++
			}
		}
	}
	if failed == 0 {
		t.Error("every POST was answered, so some were sent twice")
	}
}

func TestParse(t *testing.T) {
	for _, text := range []string{
		"", "gw-1", "gw-1=http://a:1", "=http://a:1,http://b:2", "gw-1=a,b", "gw-1=http://a:x,http://b:2", "gw-1=http://a:1,http://b:2,5",
		"gw-1=http://a:1,http://b:2,weight=0", "gw-1=http://a:1,http://b:2,weight=101", "gw-1=http://a:1,http://b:2,weight=1,x",
	} {
		if g, err := balance.Parse(text); err == nil || !strings.Contains(err.Error(), "gateway") {
			t.Errorf("%q: %+v, %v", text, g, err)
		}
	}
}
