package telemetry_test

import (
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/silverback-gateway/silverback/kit/telemetry"
)

func TestATraceGoesOnFromARecord(t *testing.T) {
	recorded := tracetest.NewSpanRecorder()
	before := otel.GetTracerProvider()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorded)))
	t.Cleanup(func() { otel.SetTracerProvider(before) })
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")

	ctx, asked := telemetry.StartTrace(t.Context(), "apply")
	parent := telemetry.TraceParentOf(ctx) // as it stands in a record
	began := time.Now().Add(-time.Minute)
	loaded := parent.Start("load", began, telemetry.Node, "gw-1")
	loaded.End(began.Add(time.Second), "timeout")
	asked.End(time.Now(), "")
	spans := recorded.Ended()
	if len(spans) != 2 {
		t.Fatalf("%d spans", len(spans))
	}
	load, apply := spans[0], spans[1]
	if load.Parent().SpanID() != apply.SpanContext().SpanID() || load.Parent().TraceID() != apply.SpanContext().TraceID() ||
		!load.Parent().IsRemote() {
		t.Errorf("the parent of load is %v, not %v", load.Parent(), apply.SpanContext())
	}
	if !load.StartTime().Equal(began) || load.EndTime().Sub(load.StartTime()) != time.Second || load.Status().Code != codes.Error {
		t.Errorf("load was from %s to %s, and ended with %v", load.StartTime(), load.EndTime(), load.Status())
	}
	if a := load.Attributes(); len(a) != 1 || a[0].Key != "silverback.node" || a[0].Value.AsString() != "gw-1" {
		t.Errorf("the facts are %v", a)
	}
	if loaded.TraceParent() == "" || loaded.TraceParent() == parent {
		t.Errorf("the place below %q is %q", parent, loaded.TraceParent())
	}
}

func TestNothingIsRecordedBelowNothing(t *testing.T) {
	recorded := tracetest.NewSpanRecorder()
	before := otel.GetTracerProvider()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorded)))
	t.Cleanup(func() { otel.SetTracerProvider(before) })
	if p := telemetry.TraceParentOf(t.Context()); p != "" {
		t.Errorf("a context without a trace is at %q", p)
	}
	none := telemetry.TraceParent("").Start("load", time.Now())
	none.End(time.Now(), "")
	if none.TraceParent() != "" || len(recorded.Started()) > 0 {
		t.Errorf("%d spans, at %q", len(recorded.Started()), none.TraceParent())
	}
	// A parent that somebody else garbled begins a trace of its own rather than doing harm.
	telemetry.TraceParent("00-nonsense").Start("load", time.Now()).End(time.Now(), "")
	if n := len(recorded.Ended()); n != 1 || recorded.Ended()[0].Parent().IsValid() {
		t.Errorf("%d spans", n)
	}
}
