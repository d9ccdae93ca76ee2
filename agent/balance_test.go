package agent_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/silverback-gateway/silverback/agent/internal/controlplanetest"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// asked sends a GET to the agent, and returns the status and the text.
func asked(t *testing.T, address, path string) (int, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + address + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, strings.TrimSpace(string(text))
}

// readyz waits until /readyz has this status and text.
func (n *node) readyz(status int, text string) {
	n.t.Helper()
	var code int
	var said string
	defer func() {
		if n.t.Failed() {
			n.t.Logf("/readyz said %d %q last, want %d %q", code, said, status, text)
		}
	}()
	n.until("what load balancers are told", func() bool {
		code, said = asked(n.t, n.agent.HTTPAddress(), "/readyz")
		return code == status && said == text
	})
}

func drained(reason string) *registryv1.Drain {
	return &registryv1.Drain{Reason: reason, Since: timestamppb.New(time.Unix(1_700_000_000, 0))}
}

func TestADrainedNodeServesOnAndFollows(t *testing.T) {
	n := newNode(t)
	n.started()
	first, second := controlplanetest.Routes(t, "a"), controlplanetest.Routes(t, "a", "b")
	n.acked(1, 10, nil, first)
	n.readyz(http.StatusOK, "ok")
	n.controlPlane.Drain(drained("new disk"))
	n.readyz(http.StatusServiceUnavailable, "draining: new disk")
	n.until("the registry knows that the agent obeys", func() bool { return n.controlPlane.LastStatus().GetDraining() })
	n.acked(2, 11, first, second)
	if n.proxied("/a") != http.StatusOK || n.proxied("/b") != http.StatusOK {
		t.Error("a drained gateway does not serve")
	}
	var said struct {
		Ready       bool
		Unready     []string
		DrainReason string    `json:"drain_reason"`
		DrainSince  time.Time `json:"drain_since"`
	}
	_, text := asked(t, n.agent.HTTPAddress(), "/status")
	if err := json.Unmarshal([]byte(text), &said); err != nil || said.Ready || len(said.Unready) != 1 || said.DrainReason != "new disk" ||
		said.DrainSince.Unix() != 1_700_000_000 {
		t.Errorf("/status says %+v, %v", said, err)
	}
	if code, _ := asked(t, n.agent.HTTPAddress(), "/healthz"); code != http.StatusOK {
		t.Errorf("/healthz answers %d: the agent itself is well", code)
	}
	n.controlPlane.Drain(nil)
	n.readyz(http.StatusOK, "ok")
	n.until("the registry knows that the node is back", func() bool { return !n.controlPlane.LastStatus().GetDraining() })
}

func TestADrainOutlivesTheAgentAndTheRegistry(t *testing.T) {
	n := newNode(t)
	n.started()
	n.acked(1, 10, nil, controlplanetest.Routes(t, "a"))
	n.controlPlane.Drain(drained("new disk"))
	n.readyz(http.StatusServiceUnavailable, "draining: new disk")
	n.stop()
	n.controlPlane.Stop()
	n.start()
	n.until("the gateway is proven to serve", func() bool { v := n.agent.Status(); return v.Proven && v.GatewayReady })
	n.readyz(http.StatusServiceUnavailable, "draining: new disk")
	n.controlPlane.Drain(nil)
	n.controlPlane.Serve(t)
	n.readyz(http.StatusOK, "ok")
}

func TestAProbeThatCountsTakesTheNodeOut(t *testing.T) {
	n := newNode(t)
	n.controlPlane.SetProbes(
		&fleetv1.Probe{Path: "/health", Interval: durationpb.New(time.Second), Timeout: durationpb.New(patience), Readiness: true},
		&fleetv1.Probe{Path: "/missing", Interval: durationpb.New(time.Second), Timeout: durationpb.New(patience)},
	)
	n.started()
	first, second := controlplanetest.Routes(t, "a"), controlplanetest.Routes(t, "a", "health")
	n.acked(1, 10, nil, first)
	n.readyz(http.StatusServiceUnavailable, "probe /health fails: status 404")
	n.until("both are a condition", func() bool {
		return n.condition("ProbeFailing") == "/health: status 404; /missing: status 404"
	})
	n.until("the registry knows", func() bool {
		probes := n.controlPlane.LastStatus().GetHealth().GetProbes()
		return len(probes) == 2 && probes[0].GetPath() == "/health" && probes[0].GetFailed() > 0 && probes[0].GetReason() == "status 404"
	})
	n.acked(2, 11, first, second)
	n.readyz(http.StatusOK, "ok")
	n.until("the other is one still", func() bool { return n.condition("ProbeFailing") == "/missing: status 404" })
	n.controlPlane.SetProbes()
	n.until("no probe, no condition", func() bool { return n.condition("ProbeFailing") == "" })
}

// A renewal without a status is cheap for the registry, so an idle node sends only those.
func TestAnIdleNodeReportsNothing(t *testing.T) {
	n := newNode(t)
	n.config.SampleInterval = 20 * time.Millisecond
	// A late probe would change the status.
	n.controlPlane.SetProbes(&fleetv1.Probe{Path: "/a", Interval: durationpb.New(time.Second), Timeout: durationpb.New(patience)})
	n.started()
	n.acked(1, 10, nil, controlplanetest.Routes(t, "a"))
	n.until("its health was told", func() bool {
		s := n.controlPlane.LastStatus()
		return s.GetHealth().GetMemoryBytes() > 0 && len(s.GetHealth().GetProbes()) == 1 && s.GetHealth().GetProbes()[0].GetSent() > 0 &&
			s.GetGatewayReady()
	})
	quiet := func(renewals int) bool {
		before, told := n.controlPlane.Renewals()
		n.until("it renews", func() bool { now, _ := n.controlPlane.Renewals(); return now >= before+renewals })
		_, now := n.controlPlane.Renewals()
		return now == told
	}
	n.until("the first figures are settled", func() bool { return quiet(20) })
	if !quiet(60) {
		t.Errorf("an idle node reported %v", n.controlPlane.LastStatus())
	}
}

func TestAStoppedAgentDrainsFirst(t *testing.T) {
	n := newNode(t)
	cmd := n.startProcess("--drain-grace=1h")
	n.hello()
	first := controlplanetest.Routes(t, "a")
	n.direct(1, 10, nil, first)
	if o := n.outcomeOfProcess(); o.GetAck() == nil {
		t.Fatalf("outcome %v", o)
	}
	// It answers the distributor whether or not it has enrolled with the registry yet.
	n.eventually("enrolled", func() bool { return len(n.controlPlane.Enrolments()) > 0 })
	address := n.controlPlane.Enrolments()[0].GetAgentAddress()
	n.eventually("ready", func() bool { code, _ := asked(t, address, "/readyz"); return code == http.StatusOK })
	if err := cmd.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	n.eventually("load balancers are told", func() bool {
		code, text := asked(t, address, "/readyz")
		return code == http.StatusServiceUnavailable && text == "draining: the agent is stopping"
	})
	n.eventually("the registry is told", func() bool { return n.controlPlane.LastStatus().GetDraining() })
	n.direct(2, 11, first, controlplanetest.Routes(t, "a", "b"))
	if o := n.outcomeOfProcess(); o.GetAck() == nil {
		t.Errorf("while it drains: outcome %v", o)
	}
	// It is asked once more, and ends at once.
	if err := cmd.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the second signal ended the drain with exit code 0")
	}
	if n.proxied("/b") != http.StatusOK {
		t.Error("the gateway does not serve on")
	}

	before, _ := n.controlPlane.Renewals()
	again := n.startProcess("--drain-grace=50ms")
	n.hello()
	n.eventually("it renews", func() bool { now, _ := n.controlPlane.Renewals(); return now > before }) // who has not enrolled says no goodbye
	if err := again.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := again.Wait(); err != nil {
		t.Errorf("after its grace: %v", err)
	}
	if n.controlPlane.Departures() == 0 {
		t.Error("it left without a goodbye")
	}
}
