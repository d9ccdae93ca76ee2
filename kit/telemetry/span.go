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

// A TraceParent is a position in a trace, in the form of W3C's header of that name. With it a trace continues where no call connects two
// processes: through a record in etcd, or a message on an older stream. Empty is no trace: spans below it are not recorded and cost
// nothing.
type TraceParent string

// TraceParentOf returns the position of a context. It is empty when nothing is traced.
func TraceParentOf(ctx context.Context) TraceParent {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return TraceParent(carrier[traceHeader])
}

// below returns a context at a position, which another process may have sent. An invalid position is ignored.
func (p TraceParent) below() context.Context {
	return propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{traceHeader: string(p)})
}

// A Span is an operation in a trace. The zero Span belongs to no trace.
type Span struct{ span trace.Span }

// Start begins a span below a position, at a time that may be past. Attributes are names and values in turn, with the names of logs. They
// must not hold secrets.
func (p TraceParent) Start(name string, began time.Time, facts ...any) Span {
	if p == "" {
		return Span{}
	}
	_, span := otel.Tracer(tracer).Start(p.below(), name, trace.WithTimestamp(began), trace.WithAttributes(attributes(facts)...))
	return Span{span}
}

// StartTrace begins a new trace, and returns a context within it. It is for requests of people and programs, such as a run of the command
// line.
func StartTrace(ctx context.Context, name string, facts ...any) (context.Context, Span) {
	if !Tracing() {
		return ctx, Span{}
	}
	ctx, span := otel.Tracer(tracer).Start(ctx, name, trace.WithAttributes(attributes(facts)...))
	return ctx, Span{span}
}

// TraceParent returns the position of this span.
func (s Span) TraceParent() TraceParent {
	if s.span == nil {
		return ""
	}
	return TraceParentOf(trace.ContextWithSpan(context.Background(), s.span))
}

// End ends the span at a time. failure is a reason without secrets; empty is none.
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
