package agent_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/controlplanetest"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

func TestAppliesAndProves(t *testing.T) {
	n := newNode(t, kongtest.Workers(3))
	if h := n.started(); h.GetHeldDigest() != "" || h.GetServingDigest() != "" {
		t.Errorf("a new agent says hello with %v", h)
	}
	if code := status("http://" + n.agent.HTTPAddress() + "/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("/readyz answers %d before anything is served", code)
	}
	first := controlplanetest.Routes(t, "orders")
	ack := n.acked(1, 10, nil, first)
	if ack.GetProof() != fleetv1.Proof_PROOF_WORKER {
		t.Errorf("the ack rests on %v", ack.GetProof())
	}
	if code := n.proxied("/orders"); code != http.StatusOK {
		t.Errorf("the route answers %d", code)
	}
	n.until("the gateway says that it is ready", func() bool { return n.agent.Status().Serving() })
	for path, want := range map[string]int{"/readyz": 200, "/healthz": 200, "/metrics": 200, "/status": 200} {
		if code := status("http://" + n.agent.HTTPAddress() + path); code != want {
			t.Errorf("%s answers %d", path, code)
		}
	}
	n.until("the registry knows the revision", func() bool { return n.controlPlane.LastStatus().GetRevision() == 1 })
	n.until("the registry knows the gateway", func() bool {
		all := n.controlPlane.Enrolments()
		return all[len(all)-1].GetCapabilities().GetKongVersion() == kongtest.KongVersion
	})
	posted, err := os.ReadFile(n.config.BootFile)
	if err != nil || !strings.Contains(string(posted), "silverback.internal") {
		t.Errorf("the boot file is not what was posted: %v", err)
	}
	posts := n.kong.Posts()
	if ack := n.acked(2, 11, first, first); ack.GetLoadTime().AsDuration() != 0 || n.kong.Posts() != posts {
		t.Errorf("the same content again was posted, or counted as a load: %v", ack)
	}
	n.stop()
	if n.controlPlane.Departures() != 1 {
		t.Error("no goodbye")
	}
}

func TestAckWaitsForEveryWorker(t *testing.T) {
	n := newNode(t, kongtest.Workers(4))
	n.started()
	first, second := controlplanetest.Routes(t, "a"), controlplanetest.Routes(t, "a", "b")
	n.acked(1, 10, nil, first)
	n.kong.WorkersStuck(true)
	n.direct(2, 11, first, second)
	n.until("the gateway accepts", func() bool { return n.kong.Loads() == 2 })
	select {
	case o := <-n.controlPlane.Outcomes:
		t.Fatalf("outcome %v while the workers serve the old snapshot", o)
	default:
	}
	n.kong.WorkersStuck(false)
	if o := n.outcome(); o.GetAck() == nil || o.GetNonce() != 2 {
		t.Errorf("outcome %v", o)
	}
}

func TestNotProvenInTimeIsAFailureThenAnAck(t *testing.T) {
	n := newNode(t)
	n.config.ProofTimeout = time.Second
	n.started()
	n.kong.WorkersStuck(true)
	n.direct(1, 10, nil, controlplanetest.Routes(t, "a"))
	if o := n.outcome(); o.GetFailure().GetReason() != distributorv1.Failure_REASON_NOT_PROVEN {
		t.Fatalf("outcome %v", o)
	}
	n.kong.WorkersStuck(false)
	if o := n.outcome(); o.GetAck() == nil || o.GetNonce() != 1 {
		t.Errorf("after the workers turned: %v", o)
	}
}

// Only a proven snapshot replaces the boot file and the last known good.
func TestNothingIsKeptBeforeItIsProven(t *testing.T) {
	n := newNode(t)
	n.config.ProofTimeout = time.Second
	n.started()
	first, second := controlplanetest.Routes(t, "a"), controlplanetest.Routes(t, "a", "b")
	n.acked(1, 10, nil, first)
	kept := func() (all [2]string) {
		for i, path := range []string{n.config.BootFile, filepath.Join(n.config.StateDir, "last-known-good")} {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all[i] = string(text)
		}
		return all
	}
	before := kept()
	n.kong.WorkersStuck(true)
	n.direct(2, 11, first, second)
	if o := n.outcome(); o.GetFailure().GetReason() != distributorv1.Failure_REASON_NOT_PROVEN {
		t.Fatalf("outcome %v", o)
	}
	if after := kept(); after != before {
		t.Errorf("boot file kept: %v, last known good kept: %v", after[0] == before[0], after[1] == before[1])
	}
	n.kong.WorkersStuck(false)
	o := n.outcome()
	for o.GetFailure().GetReason() == distributorv1.Failure_REASON_NOT_PROVEN { // a slow machine may need another proof
		o = n.outcome()
	}
	if o.GetAck() == nil {
		t.Fatalf("after the workers turned: %v", o)
	}
	if after := kept(); after[0] == before[0] || after[1] == before[1] {
		t.Error("what was proven is not kept")
	}
}

func TestRefusalNamesTheObjectAndIsNotPostedAgain(t *testing.T) {
	n := newNode(t)
	n.started()
	good, bad := controlplanetest.Routes(t, "a"), controlplanetest.Routes(t, "a", "orders")
	n.acked(1, 10, nil, good)
	n.kong.RefuseRoute("orders")
	n.direct(2, 11, good, bad)
	o := n.outcome()
	if p := o.GetNack().GetProblems(); len(p) != 1 || p[0].GetKind() != "route" || p[0].GetName() != "orders" || p[0].GetMessage() == "" {
		t.Fatalf("outcome %v", o)
	}
	if o.GetNack().GetServingDigest() != string(good.Digest()) {
		t.Errorf("it serves %q, want the old one", o.GetNack().GetServingDigest())
	}
	posts := n.kong.Posts()
	n.direct(3, 12, good, bad)
	if o := n.outcome(); o.GetNack() == nil || o.GetNonce() != 3 || n.kong.Posts() != posts {
		t.Errorf("again: %v after %d more posts", o, n.kong.Posts()-posts)
	}
	n.stop()
	h := n.started()
	if len(h.GetRefused()) != 1 || h.GetRefused()[0].GetDigest() != string(bad.Digest()) ||
		h.GetRefused()[0].GetProblems()[0].GetName() != "orders" {
		t.Errorf("after a restart it says hello with %v", h.GetRefused())
	}
	n.direct(4, 13, good, bad)
	if o := n.outcome(); o.GetNack() == nil || n.kong.Posts() != posts {
		t.Errorf("after a restart: %v", o)
	}
	if code := n.proxied("/a"); code != http.StatusOK {
		t.Errorf("the old route answers %d", code)
	}
}

func TestOlderDecisionIsRefused(t *testing.T) {
	n := newNode(t)
	n.started()
	first, second := controlplanetest.Routes(t, "a"), controlplanetest.Routes(t, "b")
	n.acked(2, 20, nil, first)
	n.direct(1, 19, first, second)
	if o := n.outcome(); o.GetFailure().GetReason() != distributorv1.Failure_REASON_STALE_DECISION {
		t.Fatalf("outcome %v", o)
	}
	n.stop()
	if h := n.started(); h.GetDecision() != 20 {
		t.Errorf("after a restart the last decision is %d", h.GetDecision())
	}
	n.direct(1, 19, first, second)
	if o := n.outcome(); o.GetFailure().GetReason() != distributorv1.Failure_REASON_STALE_DECISION || n.proxied("/b") == http.StatusOK {
		t.Errorf("after a restart: %v", o)
	}
}

func TestDifferenceOverParts(t *testing.T) {
	n := newNode(t)
	n.started()
	var names []string
	for i := range 3000 {
		names = append(names, fmt.Sprintf("route-%05d", i))
	}
	first := controlplanetest.Routes(t, names...)
	if whole := controlplanetest.Directive(t, 1, 1, 1, nil, first, 4<<10); len(whole) < 3 {
		t.Fatalf("only %d messages", len(whole))
	}
	n.nonce++
	for _, m := range controlplanetest.Directive(t, n.nonce, 1, 10, nil, first, 4<<10) {
		n.controlPlane.Send(t, m)
	}
	if o := n.outcome(); o.GetAck() == nil {
		t.Fatalf("outcome %v", o)
	}
	before := n.agent.Status().ReceivedBytes
	second := controlplanetest.Routes(t, append(names, "route-x")...)
	n.acked(2, 11, first, second)
	if cost := n.agent.Status().ReceivedBytes - before; cost <= 0 || cost > 10_000 {
		t.Errorf("one route more cost %d bytes", cost)
	}
	if n.proxied("/route-x") != http.StatusOK {
		t.Error("the new route is not served")
	}
}

func TestDamagedDifferenceAsksForTheWhole(t *testing.T) {
	n := newNode(t)
	n.started()
	first, second := controlplanetest.Routes(t, "a"), controlplanetest.Routes(t, "a", "b")
	n.acked(1, 10, nil, first)
	// Against a base that the agent never had.
	n.direct(2, 11, controlplanetest.Routes(t, "a", "b", "never"), second)
	if o := n.outcome(); o.GetFailure().GetReason() != distributorv1.Failure_REASON_BAD_DELTA {
		t.Fatalf("outcome %v", o)
	}
	damaged := controlplanetest.Directive(t, 100, 2, 11, nil, second, 1<<20)[0]
	damaged.GetDirective().GetDelta().GetOperations()[0].GetData().Zstd[10] ^= 0xff
	n.controlPlane.Send(t, damaged)
	if o := n.outcome(); o.GetFailure().GetReason() != distributorv1.Failure_REASON_BAD_DELTA {
		t.Fatalf("outcome %v", o)
	}
	n.acked(2, 11, nil, second)
}

func TestNewestDirectiveWinsWhileOneIsLoading(t *testing.T) {
	n := newNode(t)
	n.started()
	first, second, third := controlplanetest.Routes(t, "a"), controlplanetest.Routes(t, "b"), controlplanetest.Routes(t, "c")
	release := n.kong.Hang()
	n.direct(1, 10, nil, first)
	n.until("the first is being posted", func() bool { return n.kong.Posts() == 1 })
	n.direct(2, 11, first, second) // the base is what was sent last, though it is not serving
	n.direct(3, 12, second, third)
	release()
	var last *distributorv1.Outcome
	for last.GetNonce() != 3 {
		last = n.outcome()
	}
	if last.GetAck() == nil || n.proxied("/c") != http.StatusOK {
		t.Errorf("outcome %v", last)
	}
	if n.kong.Posts() > 3 {
		t.Errorf("%d posts", n.kong.Posts())
	}
}

func TestMessagesOfTheStateDirectoryLock(t *testing.T) {
	n := newNode(t)
	n.started()
	second := newNode(t)
	second.config.StateDir = n.config.StateDir
	if _, err := newAgent(second); err == nil || !strings.Contains(err.Error(), "another agent uses the state directory") {
		t.Errorf("a second agent on %s: %v", filepath.Base(n.config.StateDir), err)
	}
}
