package telemetry

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const (
	tracer      = "github.com/silverback-gateway/silverback"
	traceHeader = "traceparent"
)

// A TraceParent is a place in a trace, in the form of W3C's header of that name, so that a trace can go on where no call connects two
// processes: through a record in etcd, or a message on a stream that is older than it. Empty is no trace, and what is recorded below
// it is recorded nowhere and costs nothing.
type TraceParent string

// TraceParentOf returns where a context is; empty when nothing is traced.
func TraceParentOf(ctx context.Context) TraceParent {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return TraceParent(carrier[traceHeader])
}

// below makes a context at a place, which another process may have given: what is no place is none.
func (p TraceParent) below() context.Context {
	return propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{traceHeader: string(p)})
}

// A Span is a stretch of work in a trace. The zero Span is of no trace.
type Span struct{ span trace.Span }

// Start begins a span below a place, as of a moment that may be past. Facts are names and values in turn, as logs have
// them; they must hold no secrets.
func (p TraceParent) Start(name string, began time.Time, facts ...any) Span {
	if p == "" {
		return Span{}
	}
	_, span := otel.Tracer(tracer).Start(p.below(), name, trace.WithTimestamp(began), trace.WithAttributes(attributes(facts)...))
	return Span{span}
}

// StartTrace begins a trace of its own, and returns a context within it. It is for what people and programs ask for, such as a run of
// the command line.
func StartTrace(ctx context.Context, name string, facts ...any) (context.Context, Span) {
	if !Tracing() {
		return ctx, Span{}
	}
	ctx, span := otel.Tracer(tracer).Start(ctx, name, trace.WithAttributes(attributes(facts)...))
	return ctx, Span{span}
}

// TraceParent is the place below this span.
func (s Span) TraceParent() TraceParent {
	if s.span == nil {
		return ""
	}
	return TraceParentOf(trace.ContextWithSpan(context.Background(), s.span))
}

// End ends the span at a moment. A failure is said in words that hold no secrets; empty is none.
func (s Span) End(at time.Time, failure string) {
	if s.span == nil {
		return
	}
	if failure != "" {
		s.span.SetStatus(codes.Error, failure)
	}
	s.span.End(trace.WithTimestamp(at))
}

func attributes(facts []any) (all []attribute.KeyValue) {
	for i := 0; i+1 < len(facts); i += 2 {
		all = append(all, attribute.String("silverback."+fmt.Sprint(facts[i]), fmt.Sprint(facts[i+1])))
	}
	return all
}
