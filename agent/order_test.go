package agent_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/controlplanetest"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// A restart is noticed by the closed connection, not by the next observation, which is an hour away.
func TestARestartIsRepairedBeforeTheNextObservation(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status bool // the gateway has a Status API
	}{{"by the Status API", true}, {"by the Admin API", false}} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t)
			n.config.DriftInterval = time.Hour
			if !tt.status {
				n.config.KongStatus = ""
			}
			n.started()
			n.acked(1, 10, nil, controlplanetest.Routes(t, "a"))
			n.until("serving", func() bool { return n.agent.Status().Serving() })
			for range 3 {
				before := len(n.agent.Status().Events)
				if err := n.kong.Lose(); err != nil {
					t.Fatal(err)
				}
				n.until("the agent misses the gateway", func() bool { return !n.agent.Status().GatewayReachable })
				began := time.Now()
				if err := n.kong.Restart(context.Background()); err != nil {
					t.Fatal(err)
				}
				answered := time.Now()
				n.until("the gateway serves again", func() bool { return n.proxied("/a") == http.StatusOK && n.agent.Status().Serving() })
				t.Logf("the start took %s; served and proven %s after the gateway answered", answered.Sub(began).Round(time.Millisecond),
					time.Since(answered).Round(time.Millisecond))
				var got []string
				for _, e := range n.agent.Status().Events[before:] {
					got = append(got, e.Type)
				}
				if want := []string{"GatewayAway", "GatewayRestarted", "GatewayLost", "GatewayRestored"}; !slices.Equal(got, want) {
					t.Errorf("it happened %v, want %v", got, want)
				}
			}
		})
	}
}

// The gateway serves in the end, whatever starts first, with or without a control plane.
func TestOrderOfStart(t *testing.T) {
	for _, tt := range []struct {
		name                       string
		agentFirst, controlPlaneUp bool
	}{
		{"gateway first, control plane alive", false, true},
		{"gateway first, control plane dead", false, false},
		{"agent first, control plane alive", true, true},
		{"agent first, control plane dead", true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, kongtest.Workers(2))
			n.config.DriftInterval = time.Hour
			n.started()
			first := controlplanetest.Routes(t, "a")
			n.acked(1, 10, nil, first)
			n.stop()
			if err := n.kong.Lose(); err != nil {
				t.Fatal(err)
			}
			if !tt.controlPlaneUp {
				n.controlPlane.Stop()
			}
			if !tt.agentFirst {
				if err := n.kong.Restart(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			n.start()
			if tt.agentFirst {
				n.until("the agent misses the gateway", func() bool { return n.condition("GatewayUnreachable") != "" })
				if err := n.kong.Restart(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			n.until("served", func() bool { return n.proxied("/a") == http.StatusOK && n.agent.Status().Serving() })
			if !tt.controlPlaneUp {
				n.controlPlane.Serve(t)
			}
			if h := n.hello(); h.GetDecision() != 10 {
				t.Errorf("hello %v", h)
			}
			second := controlplanetest.Routes(t, "a", "b")
			n.acked(2, 11, first, second)
			if n.proxied("/b") != http.StatusOK {
				t.Error("what came next is not served")
			}
		})
	}
}

// Both the control plane and the gateway are away, and come back in either order.
func TestBothComeBack(t *testing.T) {
	for _, controlPlaneFirst := range []bool{true, false} {
		n := newNode(t)
		n.config.DriftInterval = time.Hour
		n.started()
		first := controlplanetest.Routes(t, "a")
		n.acked(1, 10, nil, first)
		n.controlPlane.Stop()
		if err := n.kong.Lose(); err != nil {
			t.Fatal(err)
		}
		n.until("both are missed", func() bool { v := n.agent.Status(); return !v.Connected && !v.GatewayReachable })
		back := func() {
			if err := n.kong.Restart(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		if !controlPlaneFirst {
			back()
			n.until("served with the control plane dead", func() bool { return n.proxied("/a") == http.StatusOK && n.agent.Status().Serving() })
		}
		n.controlPlane.Serve(t)
		n.hello()
		second := controlplanetest.Routes(t, "a", "b")
		if controlPlaneFirst {
			n.direct(2, 11, first, second)
			if o := n.outcome(); o.GetFailure() == nil {
				t.Errorf("without a gateway: %v", o)
			}
			back()
			for o := n.outcome(); o.GetAck() == nil; o = n.outcome() {
				t.Logf("again: %v", o)
			}
		} else {
			n.acked(2, 11, first, second)
		}
		n.until("the newest is served", func() bool { return n.proxied("/b") == http.StatusOK && n.agent.Status().Revision == 2 })
	}
}
