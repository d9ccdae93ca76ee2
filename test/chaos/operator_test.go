package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"

	"github.com/silverback-gateway/silverback/test/chaos/check"
	"github.com/silverback-gateway/silverback/test/process"
)

// An operator gives every order there is, to whichever replica.
type operator struct {
	to    *replicas
	acks  *acks
	rec   *recorder
	teams []*team
	nodes []string
	floor int64 // restores nothing from before this revision
	start int64
	calls int
	cli   process.CLI

	quarantined map[string]bool // as it was acknowledged
}

// ask gives one order, and goes on until its answer is definite.
func (o *operator) ask(ctx context.Context, chance *rand.Rand, verb string,
	call func(ctx context.Context, id, reason string, a *check.Ack) error) (
	check.Ack, error) {
	o.calls++
	ack := check.Ack{ID: fmt.Sprintf("op-%d-%d", o.calls, o.start), Verb: verb}
	ack.Reason = "for the test, " + ack.ID
	answers, err := insist(ctx, chance, func(ctx context.Context) (check.Ack, error) {
		one := ack
		err := call(ctx, ack.ID, ack.Reason, &one)
		return one, err
	})
	switch code := status.Code(err); {
	case code == codes.FailedPrecondition || code == codes.NotFound || code == codes.InvalidArgument:
		// A repetition may be refused although the first call was obeyed, when its history is full; that is not so here.
		ack.Refused = err.Error()
	case err != nil:
		return ack, fmt.Errorf("%s (%s): %w", verb, ack.ID, err)
	default:
		ack = answers[0]
	}
	if ack.Refused != "" && len(answers) > 0 {
		return ack, fmt.Errorf("%s (%s) was acknowledged, and refused when it was repeated: %s", verb, ack.ID, ack.Refused)
	}
	o.acks.add(ack)
	o.rec.add(check.Event{Kind: check.Ordered, Text: fmt.Sprintf("%s %s %s", verb, ack.ID, ack.Refused)})
	return ack, nil
}

// obeyed notes the rollout that an order was for.
func obeyed(a *check.Ack, r *distributorv1.Rollout, err error) error {
	a.Rollout = r.GetId()
	switch a.Verb {
	case "abort":
		a.Repeated = r.GetState() == distributorv1.Rollout_STATE_ROLLED_BACK
	case "retry":
		a.Repeated = len(r.GetOrders()) > 0 && r.GetOrders()[0].GetVerb() == "retry"
	}
	return err
}

// order gives one of the orders that a leader obeys.
func (o *operator) order(ctx context.Context, chance *rand.Rand, verb string) error {
	_, err := o.ask(ctx, chance, verb, func(ctx context.Context, id, reason string, a *check.Ack) error {
		to, g := pick(chance, o.to.rollouts), process.Group
		switch verb {
		case "pause":
			m, err := to.PauseRollout(ctx, &distributorv1.PauseRolloutRequest{Group: g, Reason: reason, RequestId: id})
			return obeyed(a, m.GetRollout(), err)
		case "resume":
			m, err := to.ResumeRollout(ctx, &distributorv1.ResumeRolloutRequest{Group: g, Reason: reason, RequestId: id})
			return obeyed(a, m.GetRollout(), err)
		case "promote":
			m, err := to.PromoteRollout(ctx, &distributorv1.PromoteRolloutRequest{Group: g, Reason: reason, RequestId: id, Full: o.calls%2 == 0})
			return obeyed(a, m.GetRollout(), err)
		case "abort":
			m, err := to.AbortRollout(ctx, &distributorv1.AbortRolloutRequest{Group: g, Reason: reason, RequestId: id})
			return obeyed(a, m.GetRollout(), err)
		}
		m, err := to.RetryRollout(ctx, &distributorv1.RetryRolloutRequest{Group: g, Reason: reason, RequestId: id})
		return obeyed(a, m.GetRollout(), err)
	})
	return err
}

func (o *operator) freeze(ctx context.Context, chance *rand.Rand) error {
	_, err := o.ask(ctx, chance, "freeze", func(ctx context.Context, id, reason string, a *check.Ack) error {
		m, err := pick(chance, o.to.rollouts).FreezeGroup(ctx, &distributorv1.FreezeGroupRequest{Group: process.Group, Reason: reason,
			RequestId: id})
		a.Effective = m.GetOrder().GetReason() == reason
		return err
	})
	return err
}

func (o *operator) unfreeze(ctx context.Context, chance *rand.Rand) error {
	_, err := o.ask(ctx, chance, "unfreeze", func(ctx context.Context, id, reason string, a *check.Ack) error {
		_, err := pick(chance, o.to.rollouts).UnfreezeGroup(ctx, &distributorv1.UnfreezeGroupRequest{Group: process.Group, Reason: reason,
			RequestId: id})
		a.Effective = true
		return err
	})
	return err
}

func (o *operator) pin(ctx context.Context, chance *rand.Rand, source string) error {
	_, err := o.ask(ctx, chance, "pin", func(ctx context.Context, id, reason string, _ *check.Ack) error {
		_, err := pick(chance, o.to.translators).PinSource(ctx, &translatorv1.PinSourceRequest{Group: process.Group, Source: source,
			Reason: reason, RequestId: id})
		return err
	})
	return err
}

func (o *operator) unpin(ctx context.Context, chance *rand.Rand, source string) error {
	_, err := o.ask(ctx, chance, "unpin", func(ctx context.Context, id, reason string, a *check.Ack) error {
		m, err := pick(chance, o.to.translators).UnpinSource(ctx, &translatorv1.UnpinSourceRequest{Group: process.Group, Source: source,
			Reason: reason, RequestId: id, AllowShrink: true})
		a.Revision, a.Unchanged = m.GetRevision().GetNumber(), m.GetUnchanged()
		return err
	})
	return err
}

// restore gives sources back what they had, or with undo what the newest rollout took from them.
func (o *operator) restore(ctx context.Context, chance *rand.Rand, verb string, request *translatorv1.RestoreSourcesRequest) error {
	_, err := o.ask(ctx, chance, verb, func(ctx context.Context, id, reason string, a *check.Ack) error {
		request.Group, request.Reason, request.RequestId, request.AllowShrink = process.Group, reason, id, true
		m, err := pick(chance, o.to.translators).RestoreSources(ctx, request)
		a.Revision, a.Unchanged = m.GetRevision().GetNumber(), m.GetUnchanged()
		return err
	})
	return err
}

func (o *operator) rollBack(ctx context.Context, chance *rand.Rand) error {
	to := o.recent(ctx, chance)
	if to == 0 {
		return nil
	}
	request := &translatorv1.RestoreSourcesRequest{ToRevision: to, Force: chance.IntN(2) == 0}
	if chance.IntN(2) == 0 {
		request.Sources = []string{pick(chance, o.teams).name}
	}
	return o.restore(ctx, chance, "rollback", request)
}

// recent returns one of the newest revisions; 0 when nobody says which there are.
func (o *operator) recent(ctx context.Context, chance *rand.Rand) int64 {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	answer, err := pick(chance, o.to.translators).ListRevisions(ctx, &translatorv1.ListRevisionsRequest{Group: process.Group, PageSize: 8})
	var all []int64
	for _, r := range answer.GetRevisions() {
		if r.GetNumber() >= o.floor {
			all = append(all, r.GetNumber())
		}
	}
	if err != nil || len(all) == 0 {
		return 0
	}
	return pick(chance, all)
}

// undo takes back what the newest rollout brought, as the command line does.
func (o *operator) undo(ctx context.Context, chance *rand.Rand) error {
	one, cancel := context.WithTimeout(ctx, callTime)
	answer, err := pick(chance, o.to.rollouts).GetRollout(one, &distributorv1.GetRolloutRequest{Group: process.Group})
	cancel()
	r := answer.GetRollout()
	switch {
	case err != nil:
		return nil //nolint:nilerr // nobody says what is to be undone
	case r.GetState() == distributorv1.Rollout_STATE_COMPLETED && r.GetStableRevision() >= o.floor:
		return o.restore(ctx, chance, "undo", &translatorv1.RestoreSourcesRequest{ToRevision: r.GetStableRevision(),
			FromRevision: r.GetCandidateRevision(), SkipChanged: true})
	}
	return o.order(ctx, chance, "abort")
}

// quarantine puts a node in quarantine, or releases it.
func (o *operator) quarantine(ctx context.Context, chance *rand.Rand, node string, in bool) error {
	verb := "release"
	if in {
		verb = "quarantine"
	}
	ack, err := o.ask(ctx, chance, verb, func(ctx context.Context, id, reason string, _ *check.Ack) error {
		to := pick(chance, o.to.registries)
		if in {
			_, err := to.QuarantineNode(ctx, &registryv1.QuarantineNodeRequest{Group: process.Group, Node: node, Reason: reason, RequestId: id})
			return err
		}
		_, err := to.ReleaseNode(ctx, &registryv1.ReleaseNodeRequest{Group: process.Group, Node: node, RequestId: id})
		return err
	})
	if err == nil && ack.Refused == "" {
		o.quarantined[node] = in
	}
	return err
}

// waves and windows are what the operator chooses among. No window but none is ever open while tests run.
var (
	waves   = []string{"1:2s,100%", "zone=a:1s,100%", "zone=b:1s,100%", "zone=b:500ms,1:1s,100%"}
	windows = []string{"none", "none", "0 0 29 2 1 for 1m"}
)

// policy changes how the next rollouts go, by the command line, which is repeated until it is done.
func (o *operator) policy(ctx context.Context, waves, window string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	defer cancel()
	for {
		r := o.cli.Run(o.rec.tb, "update", "group", process.Group, "--waves="+waves, "--window="+window)
		if r.Code == 0 {
			o.rec.add(check.Event{Kind: check.Ordered, Text: fmt.Sprintf("waves %s, window %s", waves, window)})
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("update group: %+v", r)
		case <-time.After(retryPause):
		}
	}
}

// pool has the targets that owners keep out and let in.
var pool = []string{"10.9.0.1:8080", "10.9.0.2:8080", "10.9.0.3:8080", "10.9.0.4:8080"}

// drain keeps targets of the pool out for an owner, or lets them in; with replace, these are all that the owner keeps out.
func (o *operator) drain(ctx context.Context, chance *rand.Rand, out bool) error {
	verb, owner, replace := "undrain", pick(chance, []string{"operator", "controller"}), out && chance.IntN(3) == 0
	var names []check.TargetName
	for range 1 + chance.IntN(2) {
		names = append(names, check.TargetName{Upstream: "pool", Target: pick(chance, pool)})
	}
	if out {
		verb = "drain"
	}
	_, err := o.ask(ctx, chance, verb, func(ctx context.Context, id, reason string, a *check.Ack) error {
		request := &distributorv1.UpdateDrainedTargetsRequest{Group: process.Group, Owner: owner, Reason: reason, RequestId: id, Replace: replace}
		var all []*distributorv1.Target
		for _, n := range names {
			all = append(all, &distributorv1.Target{Upstream: n.Upstream, Target: n.Target})
		}
		if a.Owner, a.Replace = owner, replace; out {
			request.Add, a.Out = all, names
		} else {
			request.Remove, a.In = all, names
		}
		_, err := pick(chance, o.to.targets).UpdateDrainedTargets(ctx, request)
		return err
	})
	return err
}

// verbs are all that an operator may order. One that ends something comes more often, so that most of the time the group moves.
var verbs = []func(*operator, context.Context, *rand.Rand) error{
	func(o *operator, ctx context.Context, c *rand.Rand) error { return o.order(ctx, c, "pause") },
	func(o *operator, ctx context.Context, c *rand.Rand) error { return o.order(ctx, c, "resume") },
	func(o *operator, ctx context.Context, c *rand.Rand) error { return o.order(ctx, c, "resume") },
	func(o *operator, ctx context.Context, c *rand.Rand) error { return o.order(ctx, c, "promote") },
	func(o *operator, ctx context.Context, c *rand.Rand) error { return o.order(ctx, c, "promote") },
	func(o *operator, ctx context.Context, c *rand.Rand) error { return o.order(ctx, c, "abort") },
	func(o *operator, ctx context.Context, c *rand.Rand) error { return o.order(ctx, c, "retry") },
	(*operator).undo,
	(*operator).freeze,
	(*operator).unfreeze,
	(*operator).unfreeze,
	func(o *operator, ctx context.Context, c *rand.Rand) error {
		return o.pin(ctx, c, pick(c, o.teams).name)
	},
	func(o *operator, ctx context.Context, c *rand.Rand) error {
		return o.unpin(ctx, c, pick(c, o.teams).name)
	},
	func(o *operator, ctx context.Context, c *rand.Rand) error {
		return o.unpin(ctx, c, pick(c, o.teams).name)
	},
	(*operator).rollBack,
	func(o *operator, ctx context.Context, c *rand.Rand) error {
		return o.quarantine(ctx, c, pick(c, o.nodes), true)
	},
	func(o *operator, ctx context.Context, c *rand.Rand) error {
		return o.quarantine(ctx, c, pick(c, o.nodes), false)
	},
	func(o *operator, ctx context.Context, c *rand.Rand) error {
		return o.policy(ctx, pick(c, waves), pick(c, windows))
	},
	func(o *operator, ctx context.Context, c *rand.Rand) error {
		return o.policy(ctx, pick(c, waves), pick(c, windows))
	},
	func(o *operator, ctx context.Context, c *rand.Rand) error { return o.drain(ctx, c, true) },
	func(o *operator, ctx context.Context, c *rand.Rand) error { return o.drain(ctx, c, true) },
	func(o *operator, ctx context.Context, c *rand.Rand) error { return o.drain(ctx, c, false) },
}

// work gives orders until the context ends.
func (o *operator) work(ctx context.Context, chance *rand.Rand) error {
	for ctx.Err() == nil {
		if err := pick(chance, verbs)(o, ctx, chance); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(200+chance.IntN(1200)) * time.Millisecond):
		}
	}
	return nil
}

// cease takes back what keeps a group from settling: freezes, pauses, quarantines and closed windows. Drained targets stay out.
func (o *operator) cease(ctx context.Context, chance *rand.Rand) error {
	for _, node := range slices.Clone(o.nodes) {
		if err := o.quarantine(ctx, chance, node, false); err != nil {
			return err
		}
	}
	if err := o.policy(ctx, pick(chance, waves), "none"); err != nil {
		return err
	}
	return o.unfreeze(ctx, chance)
}
