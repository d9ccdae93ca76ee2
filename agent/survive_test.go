package agent_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/agent/internal/controlplanetest"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// post gives the gateway a configuration behind the agent's back.
func (n *node) post(text string) {
	n.t.Helper()
	resp, err := http.Post(n.kong.AdminURL()+"/config", "text/yaml", strings.NewReader(text))
	if err != nil || resp.StatusCode != http.StatusCreated {
		n.t.Fatalf("post behind the agent's back: %v", err)
	}
	_ = resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
}

const foreign = `{"_format_version":"3.0","services":[{"name":"foreign","host":"127.0.0.1"}]}`

func TestLostConfigurationIsRestored(t *testing.T) {
	n := newNode(t)
	n.started()
	n.acked(1, 10, nil, controlplanetest.Routes(t, "a"))
	hash := n.kong.Hash()
	if err := n.kong.Lose(); err != nil {
		t.Fatal(err)
	}
	n.until("the agent misses the gateway", func() bool {
		return n.condition("GatewayUnreachable") != "" && status("http://"+n.agent.HTTPAddress()+"/readyz") == http.StatusServiceUnavailable
	})
	n.controlPlane.Stop() // the control plane is no help
	n.controlPlane.SetPolicy(fleetv1.DriftPolicy_DRIFT_POLICY_REPORT)
	if err := n.kong.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	n.until("the gateway serves again", func() bool {
		return n.proxied("/a") == http.StatusOK && n.kong.Hash() == hash && status("http://"+n.agent.HTTPAddress()+"/readyz") == http.StatusOK
	})
	if v := n.agent.Status(); v.Drifts == 0 || v.Revision != 1 {
		t.Errorf("status %+v", v)
	}
}

func TestARestartedGatewayIsProvenAgainWithoutALoad(t *testing.T) {
	n := newNode(t)
	n.started()
	n.acked(1, 10, nil, controlplanetest.Routes(t, "a"))
	posts := n.kong.Posts()
	n.kong.Kill()
	n.until("the agent misses the gateway", func() bool { return !n.agent.Status().GatewayReachable })
	if err := n.kong.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	n.until("proven again", func() bool { return n.agent.Status().Serving() })
	if n.kong.Posts() != posts {
		t.Error("a configuration that was there was posted again")
	}
}

func TestTheAgentStartsWithoutAControlPlane(t *testing.T) {
	n := newNode(t)
	n.started()
	n.acked(7, 10, nil, controlplanetest.Routes(t, "a"))
	n.stop()
	n.controlPlane.Stop()
	if err := n.kong.Lose(); err != nil {
		t.Fatal(err)
	}
	if err := n.kong.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	n.start()
	n.until("the gateway serves", func() bool { return n.agent.Status().Serving() && n.proxied("/a") == http.StatusOK })
	if v := n.agent.Status(); v.Revision != 7 || v.Connected || v.Enrolled {
		t.Errorf("status %+v", v)
	}
	n.controlPlane.Serve(t)
	if h := n.hello(); h.GetServingRevision() != 7 || h.GetDecision() != 10 {
		t.Errorf("when the control plane is back: hello %v", h)
	}
}

func TestOldContentUnderANewRevisionOutlivesARestart(t *testing.T) {
	n := newNode(t)
	n.started()
	first := controlplanetest.Routes(t, "a")
	n.acked(1, 10, nil, first)
	n.acked(5, 20, first, first)
	n.stop()
	n.start()
	n.until("serving", func() bool { return n.agent.Status().Serving() })
	if v := n.agent.Status(); v.Revision != 5 || v.Decision != 20 {
		t.Errorf("status %+v", v)
	}
}

func TestALostControlPlaneChangesNothing(t *testing.T) {
	n := newNode(t)
	n.started()
	n.acked(1, 10, nil, controlplanetest.Routes(t, "a"))
	posts := n.kong.Posts()
	n.controlPlane.Stop()
	n.until("the agent knows", func() bool { return !n.agent.Status().Connected })
	n.controlPlane.Serve(t)
	if h := n.hello(); h.GetServingDigest() == "" || n.kong.Posts() != posts || n.proxied("/a") != http.StatusOK {
		t.Errorf("hello %v", h)
	}
}

func TestDriftIsHealed(t *testing.T) {
	n := newNode(t)
	n.started()
	n.acked(1, 10, nil, controlplanetest.Routes(t, "a"))
	hash := n.kong.Hash()
	n.post(foreign)
	n.until("healed", func() bool { return n.kong.Hash() == hash && n.agent.Status().Serving() })
	if v := n.agent.Status(); v.Drifts != 1 {
		t.Errorf("%d drifts", v.Drifts)
	}
	n.until("the registry knows", func() bool { return n.controlPlane.LastStatus().GetDrifts() == 1 })
}

func TestDriftIsOnlyReported(t *testing.T) {
	n := newNode(t)
	n.controlPlane.SetPolicy(fleetv1.DriftPolicy_DRIFT_POLICY_REPORT)
	n.started()
	n.until("enrolled", func() bool { return n.agent.Status().Enrolled })
	n.acked(1, 10, nil, controlplanetest.Routes(t, "a"))
	n.post(foreign)
	hash := n.kong.Hash()
	n.until("the registry knows", func() bool {
		for _, c := range n.controlPlane.LastStatus().GetConditions() {
			if c.GetType() == "Drift" {
				return true
			}
		}
		return false
	})
	if n.kong.Hash() != hash || n.agent.Status().Drifts != 1 {
		t.Errorf("the gateway was touched, or %d drifts counted", n.agent.Status().Drifts)
	}
	n.controlPlane.SetPolicy(fleetv1.DriftPolicy_DRIFT_POLICY_HEAL)
	n.until("healed once the policy says so", func() bool { return n.kong.Hash() != hash && n.condition("Drift") == "" })
}

func TestDamagedLastKnownGoodFallsBack(t *testing.T) {
	n := newNode(t)
	n.started()
	first, second := controlplanetest.Routes(t, "a"), controlplanetest.Routes(t, "b")
	n.acked(1, 10, nil, first)
	n.acked(2, 11, first, second)
	n.stop()
	n.controlPlane.Stop()
	path := filepath.Join(n.config.StateDir, "last-known-good")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := n.kong.Lose(); err != nil {
		t.Fatal(err)
	}
	if err := n.kong.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	n.start()
	n.until("the generation before serves", func() bool { return n.agent.Status().Serving() && n.proxied("/a") == http.StatusOK })
	if n.condition("LastKnownGoodDamaged") == "" || n.agent.Status().Revision != 1 {
		t.Errorf("status %+v", n.agent.Status())
	}
	n.controlPlane.Serve(t)
	n.hello()
	n.acked(3, 12, first, second)
	if n.condition("LastKnownGoodDamaged") != "" {
		t.Error("the condition stays after a good one was saved")
	}
}

func TestGatewayRestartsIntoTheBootFile(t *testing.T) {
	boot := filepath.Join(t.TempDir(), "kong.json")
	if err := os.WriteFile(boot, []byte("{\"_format_version\":\"3.0\"}\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	n := newNode(t, kongtest.DeclarativeConfig(boot))
	n.config.BootFile = boot
	n.started()
	n.acked(1, 10, nil, controlplanetest.Routes(t, "a"))
	hash := n.kong.Hash()
	n.stop()
	if err := n.kong.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n.kong.Hash() != hash || n.proxied("/a") != http.StatusOK {
		t.Error("without an agent the gateway did not return to the last known good")
	}
	// The boot file is repaired before the gateway answers.
	n.kong.Kill()
	if err := os.WriteFile(boot, []byte("{broken"), 0o640); err != nil {
		t.Fatal(err)
	}
	n.start()
	n.until("the boot file is mended", func() bool {
		text, err := os.ReadFile(boot)
		return err == nil && strings.Contains(string(text), "silverback-proof")
	})
	if err := n.kong.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	n.until("served and proven", func() bool { return n.agent.Status().Serving() })
}

func TestUnreachableGatewayIsAFailureThenAnAck(t *testing.T) {
	n := newNode(t)
	n.kong.Kill()
	n.started()
	n.direct(1, 10, nil, controlplanetest.Routes(t, "a"))
	if o := n.outcome(); o.GetFailure().GetReason() != distributorv1.Failure_REASON_GATEWAY_UNREACHABLE {
		t.Fatalf("outcome %v", o)
	}
	if err := n.kong.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	for {
		if o := n.outcome(); o.GetAck() != nil {
			break
		}
	}
}

func TestServerErrorTwiceIsARefusal(t *testing.T) {
	n := newNode(t)
	n.started()
	n.kong.FailNext(http.StatusInternalServerError, 2)
	n.direct(1, 10, nil, controlplanetest.Routes(t, "a"))
	if o := n.outcome(); o.GetFailure().GetReason() != distributorv1.Failure_REASON_GATEWAY_ERROR {
		t.Fatalf("outcome %v", o)
	}
	if o := n.outcome(); o.GetNack() == nil {
		t.Fatalf("the second time: %v", o)
	}
}

func TestNameTakenIsACondition(t *testing.T) {
	n := newNode(t)
	n.controlPlane.TakeName(true)
	n.started()
	n.until("the condition", func() bool { return strings.Contains(n.condition("NodeNameTaken"), "n1") })
	n.acked(1, 10, nil, controlplanetest.Routes(t, "a")) // delivery goes on
	n.controlPlane.TakeName(false)
	n.until("enrolled", func() bool { return n.agent.Status().Enrolled && n.condition("NodeNameTaken") == "" })
	count := len(n.controlPlane.Enrolments())
	n.controlPlane.Forget()
	n.until("enrolled again", func() bool { return len(n.controlPlane.Enrolments()) > count })
}

func TestARevokedCertificateIsACondition(t *testing.T) {
	n := newNode(t)
	n.started()
	n.acked(1, 10, nil, controlplanetest.Routes(t, "a"))
	n.controlPlane.Revoke(true)
	n.until("both services refuse it", func() bool { return len(n.agent.Status().RevokedAt) == 2 })
	if s := n.agent.Status(); s.Connected || s.Enrolled || !strings.Contains(n.condition("CertificateRevoked"), "is revoked") {
		t.Errorf("the agent says %+v", s)
	}
	if s := n.agent.Status(); len(s.Unready()) > 0 || s.Revision != 1 {
		t.Errorf("the gateway is not left alone: %q, revision %d", s.Unready(), s.Revision)
	}
	n.controlPlane.Revoke(false)
	n.hello()
	n.acked(2, 11, nil, controlplanetest.Routes(t, "a", "b"))
	n.until("all is well", func() bool {
		s := n.agent.Status()
		return s.Enrolled && s.Connected && len(s.RevokedAt) == 0 && n.condition("CertificateRevoked") == ""
	})
}

func TestProofForms(t *testing.T) {
	tests := []struct {
		name string
		opts kongtest.Options
		want fleetv1.Proof
	}{
		{"untrusted Lua off takes the route form", kongtest.Options{UntrustedLua: "off", Workers: 2}, fleetv1.Proof_PROOF_ROUTE},
		{"no plugins leave the hash", kongtest.Options{Plugins: []string{"key-auth", "request-termination"}}, fleetv1.Proof_PROOF_HASH},
		{"expressions", kongtest.Options{RouterFlavor: "expressions", Workers: 2}, fleetv1.Proof_PROOF_WORKER},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, kongtest.With(tt.opts))
			n.started()
			if ack := n.acked(1, 10, nil, controlplanetest.Routes(t, "a")); ack.GetProof() != tt.want {
				t.Errorf("the ack rests on %v", ack.GetProof())
			}
			n.acked(2, 11, nil, controlplanetest.Routes(t))
		})
	}
}

func TestAnotherGatewayGetsRefusedSnapshotsAgain(t *testing.T) {
	n := newNode(t)
	n.started()
	n.kong.RefuseRoute("a")
	bad := controlplanetest.Routes(t, "a")
	n.direct(1, 10, nil, bad)
	if o := n.outcome(); o.GetNack() == nil {
		t.Fatalf("outcome %v", o)
	}
	n.kong.Kill()
	n.until("the agent misses the gateway", func() bool { return !n.agent.Status().GatewayReachable })
	other := kongtest.Start(t, kongtest.With(kongtest.Options{
		Admin: strings.TrimPrefix(n.config.KongAdmin, "http://"), Status: strings.TrimPrefix(n.config.KongStatus, "http://"),
		Proxy: strings.TrimPrefix(n.config.KongProxy, "http://"), BodyLimit: 20 << 20,
	}))
	if h := n.hello(); len(h.GetRefused()) != 0 {
		t.Errorf("it says hello with %v", h.GetRefused())
	}
	n.acked(1, 10, nil, bad)
	if other.Loads() != 1 {
		t.Error("not loaded")
	}
}
