package upstream

import (
	"sync"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/apply"
	"github.com/silverback-gateway/silverback/kit/telemetry"
)

// traces remembers where the directives of a stream are in their traces, until they are answered for good. What was done about a
// directive is recorded when its answer goes out: the answer says how long each step took. The zero value is ready for use.
type traces struct {
	mu   sync.Mutex
	open map[apply.ReplyTo]traced
}

type traced struct {
	parent  telemetry.TraceParent
	arrived time.Time
}

func (t *traces) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open = nil
}

func (t *traces) arrived(d apply.Directive, parent telemetry.TraceParent) {
	if parent == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil || len(t.open) >= maxOutcomes { // those that were overtaken are never answered
		t.open = map[apply.ReplyTo]traced{}
	}
	t.open[d.ReplyTo] = traced{parent: parent, arrived: d.Arrived}
}

// answered records what came of a directive, and returns where that is in its trace.
func (t *traces) answered(a apply.Outcome, now time.Time, facts ...any) telemetry.TraceParent {
	t.mu.Lock()
	of, ok := t.open[a.ReplyTo]
	if ok && a.Failure == nil { // after a failure another answer follows
		delete(t.open, a.ReplyTo)
	}
	t.mu.Unlock()
	if !ok {
		return ""
	}
	span := of.parent.Start("apply", of.arrived, facts...)
	failure := ""
	switch {
	case a.Ack != nil:
		loaded := of.arrived.Add(a.Ack.LoadTime)
		if a.Ack.LoadTime > 0 { // else the gateway ran it already
			span.TraceParent().Start("load", of.arrived, facts...).End(loaded, "")
		}
		span.TraceParent().Start("prove", loaded, append(facts, "proof", a.Ack.Proof)...).End(loaded.Add(a.Ack.ProofTime), "")
	case a.Refusal != nil:
		failure = "refused by the gateway"
	case a.Failure != nil:
		failure = a.Failure.Reason.String()
	}
	span.End(now, failure)
	return span.TraceParent()
}
