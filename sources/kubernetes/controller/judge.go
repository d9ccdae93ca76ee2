package controller

import (
	"context"
	"time"

	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kit/wire"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/sources/kubernetes/content"
	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// recall leaves out what the pin of the source holds back. A controller that was restarted knows it by that.
func (e *engine) recall() bool {
	pin := e.pin
	e.pin = nil
	if pin.GetRefusedRevision() == 0 || pin.GetRollout() == "" {
		return false
	}
	if len(pin.GetProblems()) > 0 {
		return e.blamePin(pin)
	}
	return e.blameSuspects(pin.GetGoodRevision(), pin.GetRefusedRevision(), pin.GetReason())
}

func (e *engine) blamePin(pin *translatorv1.Pin) bool {
	var problems []fleet.Problem
	for _, p := range pin.GetProblems() {
		problems = append(problems, wire.Problem(p))
	}
	p := planner{broken: e.broken, share: e.share}
	return p.blame(e.plan.set, e.plan.documents, problems, pin.GetRefusedRevision(), time.Time{})
}

// noticePin reads a pin that a rollout has just put on the source. The rollout itself may not be seen any more: the next one begins at
// once.
func (e *engine) noticePin(ctx context.Context) error {
	short := e.sources.pinOf(e.remote.source)
	if short.GetRefusedRevision() == 0 || pinID(short) == e.pinned {
		return nil
	}
	source, err := e.remote.present(ctx)
	if err != nil {
		return err
	}
	return e.readPin(ctx, source.GetPin()) // with its problems
}

// judge leads the end of a rollout back to objects: refusals name entities; a revision that was taken back does not say what was wrong, so
// all that it changed is left out until it changes again. It says whether objects are left out now that were not before.
func (e *engine) judge(r *client.Rollout) bool {
	if e.plan == nil {
		return false
	}
	if e.recall() {
		return true
	}
	if r == nil || e.handled == r.GetId()+r.GetState().String() {
		return false
	}
	candidate := r.GetCandidateRevision()
	if r.GetPinning() || r.GetPinnedRevision() > e.head {
		return false // the source is put back first: a submission now would end the pin that remembers why
	}
	switch r.GetState() {
	case distributorv1.Rollout_STATE_HALTED:
		e.handled = r.GetId() + r.GetState().String()
		return candidate >= e.headOfPlan() && e.blameRefusals(r)
	case distributorv1.Rollout_STATE_ROLLED_BACK:
		e.handled = r.GetId() + r.GetState().String()
		return e.blameSuspects(r.GetStableRevision(), candidate, r.GetReason())
	}
	return false
}

// headOfPlan is the revision from which on a rollout carries what was last submitted.
func (e *engine) headOfPlan() int64 {
	if digestOf(e.committed) == digestOf(e.submitted) {
		return e.head
	}
	return 0
}

func (e *engine) blameRefusals(r *client.Rollout) bool {
	var problems []fleet.Problem
	for _, refusal := range r.GetRefusals() {
		if p := refusal.GetProblem(); p.GetSource() == "" || p.GetSource() == e.remote.source {
			problems = append(problems, wire.Problem(p))
		}
	}
	if len(problems) == 0 {
		return false
	}
	if e.halts++; e.halts > maxHalts {
		e.log.Error("gateways refuse one revision after the other; nothing more is left out before an object changes",
			telemetry.Group, e.remote.group, telemetry.Rollout, r.GetId())
		return false
	}
	p := planner{broken: e.broken, share: e.share}
	blamed := p.blame(e.plan.set, e.plan.documents, problems, r.GetCandidateRevision(), time.Time{})
	e.log.Warn("gateways refused a revision", telemetry.Group, e.remote.group, telemetry.Revision, r.GetCandidateRevision(),
		"problem", sentence(problems[0]), "left_out", blamed)
	return blamed
}

// blameSuspects leaves out what a revision that was taken back changed against a good one.
func (e *engine) blameSuspects(stable, candidate int64, reason string) bool {
	good, known := e.contents[stable]
	taken, both := e.contents[candidate]
	if !known || !both || stable == 0 {
		return false // nothing was good before: there is nothing to go back to
	}
	var suspects []object.Ref
	for _, ref := range e.plan.forms.Changed(good) {
		if _, already := e.broken[ref]; !already && e.plan.forms.In(taken, ref) && e.plan.set.Has(ref) {
			suspects = append(suspects, ref)
		}
	}
	if len(suspects) == 0 || len(suspects) > maxSuspects {
		return false
	}
	for _, ref := range suspects {
		e.broken[ref] = cause{phase: delivery.RolledBack, revision: candidate, reason: reason, with: []object.Ref{ref},
			identity: identity(e.plan.set, []object.Ref{ref}), share: e.share}
	}
	e.log.Warn("a revision was taken back: what it changed is left out until it changes again", telemetry.Group, e.remote.group,
		telemetry.Revision, candidate, "objects", len(suspects), "reason", reason)
	return true
}

// good is the content that the last good form of an object is taken from: what the source holds, unless gateways refused that.
func (e *engine) good(ctx context.Context) (*content.Content, error) {
	r := e.rollout
	bad := r.GetState() == distributorv1.Rollout_STATE_HALTED || r.GetState() == distributorv1.Rollout_STATE_ROLLED_BACK
	if !bad || r.GetCandidateRevision() < e.head {
		return e.committed, nil
	}
	if r.GetStableRevision() == 0 {
		return nil, nil //nolint:nilnil // an empty content
	}
	return e.remote.content(ctx, r.GetStableRevision())
}
