package translator_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fault"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// An etcd without space takes no writes: whoever submits is told so and what to do, reads go on, and /readyz says it.
func TestAFullLedgerIsToldWithItsRemedy(t *testing.T) {
	p := &plane{etcd: etcdtest.StartSmall(t, 4<<20), registry: startRegistry(t, "g")}
	r := p.replica(t)
	r.mustSubmit(config("g", "team", services("a")))
	etcdtest.Fill(t, p.etcd.Client(t))
	_, err := r.submit(config("g", "team", services("a", "b")))
	if e := wantFault(t, err, fault.Busy, "LEDGER_FULL"); !strings.Contains(e.Message, "etcdctl alarm disarm") {
		t.Errorf("the message is %s", e.Message)
	}
	q := config("g", "team", services("a", "b"))
	q.RequestId = "r" // takes a lease first
	_, err = r.submit(q)
	wantFault(t, err, fault.Busy, "LEDGER_FULL")
	_, err = r.DeleteSource(t.Context(), &translatorv1.DeleteSourceRequest{Group: "g", Source: "team", AllowShrink: true})
	if !errors.Is(fault.FromStatus(err), &fault.Error{Kind: fault.Busy, Reason: "LEDGER_FULL"}) {
		t.Errorf("a deletion gave %v", err)
	}
	if n := r.head("g").GetNumber(); n != 1 {
		t.Errorf("the head is %d", n)
	}
	eventually(t, "it remarks that etcd is full", func() bool { return strings.Contains(r.service.Warning(), "LEDGER_FULL") })
	if err := r.service.Ready(); err != nil {
		t.Errorf("it is not ready: %v", err)
	}
	etcdtest.MakeRoom(t, p.etcd.Client(t))
	if got := r.mustSubmit(q).GetRevision(); got.GetNumber() != 2 {
		t.Errorf("with room again: %v", got)
	}
	eventually(t, "it remarks nothing any more", func() bool { return r.service.Warning() == "" })
}
