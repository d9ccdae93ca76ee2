package upstream

import (
	"fmt"
	"strings"
	"testing"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/agent/internal/apply"
	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/status"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// kept is a keeper that has a set and takes no other.
type kept fleet.Stamp

func (k kept) Receive(lastgood.Targets) {}
func (k kept) Stamp() fleet.Stamp       { return fleet.Stamp(k) }

func TestASetOfTargetsIsBoundedAndRead(t *testing.T) {
	many := &distributorv1.TargetSet{Upstreams: []*distributorv1.TargetSet_Upstream{{Name: "a"}, {Name: "b"}}}
	for i := range 1001 {
		for _, u := range many.Upstreams {
			u.Targets = append(u.Targets, fmt.Sprintf("10.0.%d.%d:80", i/250, i%250))
		}
	}
	if _, ok := targetsOf(many); ok {
		t.Error("2,002 targets are taken")
	}
	got, ok := targetsOf(&distributorv1.TargetSet{Epoch: 1, Version: 2, Upstreams: []*distributorv1.TargetSet_Upstream{
		{Name: "a", Targets: []string{"10.0.0.1:80", "../x", "[::1]:1"}}, {Name: "b/c", Targets: []string{"10.0.0.1:80"}},
	}})
	if !ok || got.Epoch != 1 || got.Version != 2 || fmt.Sprint(got.Out) != "[target 10.0.0.1:80 of upstream a target "+
		"[0000:0000:0000:0000:0000:0000:0000:0001]:1 of upstream a]" {
		t.Errorf("%v, %v", got, ok)
	}
}

func TestOutcomesStayOnTheirStream(t *testing.T) {
	o := NewOutbox()
	o.stream.Store(2)
	for _, stream := range []uint64{0, 1, 2} {
		o.Report(apply.Outcome{ReplyTo: apply.ReplyTo{Stream: stream, Nonce: 9}, Ack: &verdict.Ack{}})
	}
	if got := o.take(); len(got) != 1 || got[0].ReplyTo.Stream != 2 {
		t.Errorf("the stream takes %+v", got)
	}
}

func TestWaitingOutcomesAreBounded(t *testing.T) {
	o := NewOutbox()
	o.stream.Store(1)
	for nonce := range uint64(100) {
		o.Report(apply.Outcome{ReplyTo: apply.ReplyTo{Stream: 1, Nonce: nonce}})
	}
	if got := o.take(); len(got) != maxOutcomes || got[maxOutcomes-1].ReplyTo.Nonce != 99 {
		t.Errorf("%d answers wait", len(got))
	}
}

func TestOutcomes(t *testing.T) {
	snapshot := lastgood.Snapshot{Digest: "d", Decision: 4}
	for name, a := range map[string]apply.Outcome{
		"ack":     {Snapshot: snapshot, Ack: &verdict.Ack{}},
		"nack":    {Snapshot: snapshot, Refusal: &verdict.Refusal{Problems: []verdict.Problem{{Kind: "route"}}}, Serving: "old"},
		"failure": {Snapshot: snapshot, Failure: &verdict.Failure{Reason: verdict.Busy, Attempts: 3}, Serving: "old"},
	} {
		o := outcomeToProto(a)
		if o.GetDigest() != "d" || o.GetDecision() != 4 || o.GetVerdict() == nil {
			t.Errorf("%s: %v", name, o)
		}
		if (o.GetAck() != nil) != (name == "ack") || (o.GetNack() != nil) != (name == "nack") || (o.GetFailure() != nil) != (name == "failure") {
			t.Errorf("%s: %v", name, o)
		}
	}
	for number, name := range distributorv1.Failure_Reason_name {
		want := strings.ToLower(strings.TrimPrefix(name, "REASON_"))
		if number == 0 {
			want = "unknown"
		}
		if got := verdict.Reason(number).String(); got != want {
			t.Errorf("reason %d is %q, want %q", number, got, want)
		}
	}
}

func TestAHelloClaimsNothingWhileALoadIsUnderWay(t *testing.T) {
	store, err := lastgood.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for decided, want := range map[bool]string{false: "sha256:a", true: ""} {
		f := &DistributorClient{
			Store: store, Refused: func() []lastgood.Refused { return nil }, Targets: kept{Epoch: 2, Decision: 7},
			Status: status.New(status.View{LoadDecided: decided, Proven: true, Digest: "sha256:a", Revision: 3}),
		}
		if h := f.hello(); h.GetTargetSetEpoch() != 2 || h.GetTargetSetVersion() != 7 {
			t.Errorf("the agent claims to have targets %d of epoch %d", h.GetTargetSetVersion(), h.GetTargetSetEpoch())
		}
		if h := f.hello(); h.GetServingDigest() != want || (h.GetServingRevision() != 0) != (want != "") {
			t.Errorf("a load was decided: %v; the agent claims to serve %q, revision %d", decided, h.GetServingDigest(), h.GetServingRevision())
		}
	}
}
