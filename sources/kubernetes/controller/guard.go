package controller

import (
	"context"
	"time"

	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/sources/kubernetes/content"
	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/graft"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// guard holds back what would lose too much, and says whether a loss is allowed. It is not ok when the guard cannot be sure.
func (e *engine) guard(ctx context.Context) (allow, ok bool) {
	now := e.now()
	permit := allowed(e.plan.set, e.IngressClass, e.GatewayController, e.AllowShrink, now)
	var worst *loss
	measured, err := e.measured(ctx, now)
	if err != nil {
		e.fail("what gateways serve cannot be read: "+why(err), err)
		return false, false
	}
	for _, before := range measured {
		if l := losses(before, e.plan.content); l.tooMuch() && (worst == nil || l.gone > worst.gone) {
			worst = &l
		}
	}
	e.gauges.shrunk = 0
	if worst == nil {
		return false, true
	}
	message, namespaces := worst.tell()
	if permit.covers(*worst) {
		e.history = history{}
		if e.plan.content.Digest() != digestOf(e.submitted) {
			e.note(delivery.ShrinkAllowed, message+"; "+permit.by+" allows it", e.concerned(namespaces))
			e.log.Warn("the configuration shrinks, which is allowed", telemetry.Group, e.remote.group, "loss", message, "by", permit.by)
		}
		return true, true
	}
	e.gauges.shrunk = worst.gone
	if err := e.plan.keep(func(drop func(content.Key) bool) []content.Entity {
		return graft.Lost(graft.Contents{Base: worst.of, New: e.plan.content, Beside: e.plan.beside}, drop)
	}); err != nil {
		e.fail("what the shrink guard keeps cannot be written: "+why(err), err)
		return false, false
	}
	text := message + ". It is kept until the annotation " + AllowShrink + " of the namespace or of the class, or --allow-shrink, lets it go"
	e.note(delivery.ShrinkHeld, text, e.concerned(namespaces))
	e.log.Error("the shrink guard keeps what is served", telemetry.Group, e.remote.group, "loss", message)
	return false, true
}

// measured are the contents that the plan is compared with: those of the window, and what gateways serve, when that would lose too much.
// Gateways can be behind, as in a frozen group.
func (e *engine) measured(ctx context.Context, now time.Time) ([]*content.Content, error) {
	list := e.history.contents(now)
	served := rolloutOf(e.rollout).Good()
	gone, all := 0, 0
	for key := range e.contents[served].Sums {
		if key.Kind == content.Targets {
			continue
		}
		all++
		if _, there := e.plan.content.Get(key); !there {
			gone++
		}
	}
	if gone*2 <= all {
		return list, nil
	}
	before, err := e.remote.content(ctx, served)
	if err != nil && !missing(err) {
		return nil, err
	}
	return append(list, before), nil
}

// concerned are the objects that an Event about a loss belongs to: the namespaces, and the class, which is there when they are not.
func (e *engine) concerned(namespaces []object.Ref) []object.Ref {
	return append(namespaces, object.Ref{Group: "networking.k8s.io", Kind: "IngressClass", Name: e.IngressClass})
}
