package upstream

import (
	"sync"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/apply"
	"github.com/silverback-gateway/silverback/kit/telemetry"
)

// traces holds the trace context of each directive of a stream until its final outcome. The spans are recorded when the outcome is sent,
// because it holds the durations. The zero value is ready for use.
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
	if t.open == nil || len(t.open) >= maxOutcomes { // superseded directives have no outcome
		t.open = map[apply.ReplyTo]traced{}
	}
	t.open[d.ReplyTo] = traced{parent: parent, arrived: d.Arrived}
}

// answered records the spans of an outcome, and returns their trace context.
func (t *traces) answered(a apply.Outcome, now time.Time, facts ...any) telemetry.TraceParent {
	t.mu.Lock()
	of, ok := t.open[a.ReplyTo]
	if ok && a.Failure == nil { // after a failure another outcome follows
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
		if a.Ack.LoadTime > 0 { // zero when the gateway ran it already
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
