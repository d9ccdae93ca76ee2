package event

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// Decided returns the events of a decision, in the order in which they happened. Before is the newest rollout of the group before the
// decision, or nil.
func Decided(now time.Time, before *rollout.Rollout, d rollout.Decision) []Event {
	var all []Event
	if d.Ended != nil && before != nil && before.ID == d.Ended.ID {
		all = changed(now, *before, *d.Ended)
	}
	switch r := d.Rollout; {
	case r == nil:
	case before != nil && before.ID == r.ID:
		all = append(all, changed(now, *before, *r)...)
	default:
		all = append(all, started(now, *r))
		all = append(all, changed(now, rollout.Rollout{ID: r.ID, State: rollout.Waiting, Orders: retry(*r)}, *r)...)
	}
	return all
}

// of returns an event about a rollout.
func of(now time.Time, r rollout.Rollout, reason Reason) Event {
	return Event{Reason: reason, Time: now, Group: r.Group, Revision: r.Candidate.Revision, Rollout: r.ID}
}

// retry returns the order that began a rollout, if there was one: it is told with the start.
func retry(r rollout.Rollout) (orders []rollout.Order) {
	for _, o := range r.Orders {
		if o.Verb == rollout.Retry {
			orders = append(orders, o)
		}
	}
	return orders
}

func started(now time.Time, r rollout.Rollout) Event {
	e := of(now, r, RolloutStarted)
	text := fmt.Sprintf("the rollout of revision %d begins, in %d wave(s)", r.Candidate.Revision, r.Policy.WaveCount())
	if !r.Stable.IsZero() {
		text += fmt.Sprintf(", from revision %d", r.Stable.Revision)
	}
	if r.AtOnce {
		text += "; " + r.Reason
	}
	for _, o := range retry(r) {
		e.Author = o.Author
		text += fmt.Sprintf("; retried by %s: %s", o.Author, o.Reason)
	}
	return e.saying("%s", text)
}

// changed returns the events between two records of one rollout.
func changed(now time.Time, before, after rollout.Rollout) (all []Event) {
	abort := (*rollout.Order)(nil)
	for _, o := range after.Orders {
		switch {
		case before.Has(o.ID):
		case o.Verb == rollout.Abort:
			abort = &o
		default:
			all = append(all, ordered(now, after, o)...)
		}
	}
	all = append(all, waves(now, before, after)...)
	all = append(all, refused(now, before, after)...)
	if !before.State.Open() {
		return append(all, pinning(now, before, after)...)
	}
	return append(all, ended(now, after, abort)...)
}

// Ordered returns the events of an order to a group. An order to a rollout is told when the leader obeys it.
func Ordered(now time.Time, group fleet.GroupID, o rollout.Order) []Event {
	e := Event{Time: now, Group: group, Author: o.Author}
	switch o.Verb {
	case rollout.Freeze:
		if o.Done {
			return nil
		}
		e.Reason = GroupFrozen
		return []Event{e.saying("%s froze the group: no rollout begins; %s", o.Author, o.Reason)}
	case rollout.Unfreeze:
		e.Reason = GroupUnfrozen
		return []Event{e.saying("%s lets the group begin rollouts again: %s", o.Author, o.Reason)}
	}
	return nil
}

// ordered returns the event of an order that the leader obeyed.
func ordered(now time.Time, r rollout.Rollout, o rollout.Order) []Event {
	e := of(now, r, "")
	var what string
	switch {
	case o.Verb == rollout.Pause:
		e.Reason, what = RolloutPaused, "is paused"
	case o.Verb == rollout.Resume:
		e.Reason, what = RolloutResumed, "goes on"
	case o.Verb == rollout.Promote && o.Full:
		e.Reason, what = RolloutExpress, "takes every wave that is left at once"
	case o.Verb == rollout.Promote:
		e.Reason, what = RolloutPromoted, "goes on without the rest of the soak and the gates of its wave"
	default:
		return nil
	}
	e.Author = o.Author
	return []Event{e.saying("the rollout of revision %d %s, by order of %s: %s", r.Candidate.Revision, what, o.Author, o.Reason)}
}

// waves returns the events of the waves that ended and began.
func waves(now time.Time, before, after rollout.Rollout) (all []Event) {
	count := after.Policy.WaveCount()
	for wave := before.Wave + 1; wave <= after.Wave; wave++ {
		if wave > 1 {
			all = append(all, of(now, after, WavePassed).saying("wave %d of %d passed", wave-1, count))
		}
		text := fmt.Sprintf("wave %d of %d begins", wave, count)
		if wave == after.Wave && after.Progress.InWave > 0 {
			text += fmt.Sprintf(", with %d of %d online node(s) so far", after.Progress.InWave, after.Progress.Online)
		}
		all = append(all, of(now, after, WaveStarted).saying("%s", text))
	}
	if after.State == rollout.Completed && before.State.Open() {
		all = append(all, of(now, after, WavePassed).saying("wave %d of %d passed", after.Wave, count))
	}
	return all
}

// refused returns the events of gateways that refused the candidate.
func refused(now time.Time, before, after rollout.Rollout) (all []Event) {
	for _, r := range after.Refusals[min(len(before.Refusals), len(after.Refusals)):] {
		e := of(now, after, NodeRefused).about(r.Node)
		e.Subject, e.Source = object(r.Problem), r.Problem.Source
		what := e.Subject
		if what == "" {
			what = "it"
		}
		if r.Problem.Field != "" {
			what += ": " + r.Problem.Field
		}
		all = append(all, e.saying("node %s refused revision %d: %s: %s", r.Node, after.Candidate.Revision, what, r.Problem.Message))
	}
	return all
}

// object names the entity of a problem.
func object(p rollout.Problem) string {
	name := p.Name
	if name == "" {
		name = p.ID
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s", p.Kind, name))
}

// ended returns the events of the end of a rollout; none while it is open.
func ended(now time.Time, r rollout.Rollout, abort *rollout.Order) (all []Event) {
	var reason Reason
	var what string
	switch r.State {
	case rollout.Halted:
		reason, what = RolloutHalted, "halted"
	case rollout.RolledBack:
		reason, what = RolloutRolledBack, "is rolled back"
	case rollout.Superseded:
		reason, what = RolloutSuperseded, "is superseded"
	case rollout.Completed:
		return []Event{of(now, r, RolloutCompleted).saying("revision %d is complete: %d of %d online node(s) serve it", r.Candidate.Revision,
			r.Progress.Serving, r.Progress.Online)}
	default:
		return nil
	}
	for _, g := range r.Gates {
		if g.Gate == r.FailedGate {
			e := of(now, r, GateFailed).about(g.Nodes...)
			e.Subject = g.Gate
			all = append(all, e.saying("gate %s failed in wave %d of %d: %s", g.Gate, r.Wave, r.Policy.WaveCount(), g.Evidence))
		}
	}
	e := of(now, r, reason).about(refusers(r)...)
	if abort != nil {
		e.Author = abort.Author
	}
	return append(all, e.saying("the rollout of revision %d %s: %s", r.Candidate.Revision, what, r.Reason))
}

func refusers(r rollout.Rollout) (all []fleet.NodeID) {
	for _, x := range r.Refusals {
		if !slices.Contains(all, x.Node) {
			all = append(all, x.Node)
		}
	}
	return all
}

// pinning returns the event of a rollback whose sources could not be pinned. Pins that were set are told when they are seen.
func pinning(now time.Time, before, after rollout.Rollout) []Event {
	if !before.Pinning.Due() || after.Pinning == nil || after.Pinning.Problem == "" {
		return nil
	}
	return []Event{of(now, after, PinFailed).saying("after the rollout of revision %d nothing was pinned: %s", after.Candidate.Revision,
		after.Pinning.Problem)}
}
