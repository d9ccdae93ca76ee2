package rollout

import (
	"fmt"
	"time"
)

// Next says what a rollout waits for and what comes next, for people. It is empty when there is nothing to wait for.
func Next(in Input, p Progress, gates []GateResult) string {
	if in.Rollout == nil {
		return ""
	}
	r := *in.Rollout
	waiting := !in.Newest.IsZero() && in.Newest.Revision > handled(in)
	if !r.State.Open() {
		return nextAfter(in, r, waiting)
	}
	text := nextStep(r, p, gates)
	if r.State == Progressing {
		text += strainOf(in.Nodes, r.Candidate.Digest).words(r.Policy.maxLoading(p.Online))
	}
	if waiting {
		text += fmt.Sprintf("; then revision %d", in.Newest.Revision)
		switch {
		case in.Orders.Frozen() != nil:
			text += ", once the group is not frozen"
		case in.closedFor() > 0:
			text += ", " + in.opening()
		}
	}
	return text
}

// nextAfter is Next of a rollout that has ended.
func nextAfter(in Input, r Rollout, waiting bool) string {
	frozen := in.Orders.Frozen()
	until, _ := Held(in)
	switch {
	case r.Pinning.Due():
		return "pins the sources that brought the change; no rollout begins before"
	case waiting && frozen != nil:
		return fmt.Sprintf("revision %d waits: %s froze the group: %s", in.Newest.Revision, frozen.Author, frozen.Reason)
	case waiting && in.closedFor() > 0:
		return fmt.Sprintf("revision %d is rolled out %s; silverback rollout promote begins it now", in.Newest.Revision, in.opening())
	case waiting && !until.IsZero():
		return fmt.Sprintf("revision %d waits until about %s: a gateway loads at most once in %s; silverback rollout promote lets it begin now",
			in.Newest.Revision, until.UTC().Format(time.TimeOnly), in.LoadInterval())
	case r.Pinning != nil && r.Pinning.Problem != "":
		return r.Pinning.Problem
	}
	return ""
}

// opening says when a change window opens.
func (in Input) opening() string {
	return "when the change window opens, " + in.Closed.Until.UTC().Format("Mon 2006-01-02 15:04") + " UTC"
}

// label returns the label of the present wave; empty for a wave by count.
func (r Rollout) label() string { return r.Policy.waves()[max(r.Wave, 1)-1].Label }

// labelled is the label of a wave, for a sentence.
func labelled(label string) string {
	if label == "" {
		return ""
	}
	return " (" + label + ")"
}

// nextStep says what an open rollout waits for.
func nextStep(r Rollout, p Progress, gates []GateResult) string {
	after := "then the rollout completes"
	if r.Wave < r.Policy.WaveCount() {
		after = fmt.Sprintf("then wave %d of %d%s", r.Wave+1, r.Policy.WaveCount(), labelled(r.Policy.waves()[r.Wave].Label))
	}
	switch {
	case r.Paused:
		return "paused by an operator; silverback rollout resume lets it go on"
	case r.State == Waiting && r.Ahead > 0:
		return "waits for a recovery of the ledger"
	case r.State == Waiting && p.Online > 0 && r.label() != "":
		return fmt.Sprintf("waits for a node with the label %s to come online; silverback rollout promote goes on without it", r.label())
	case r.State == Waiting:
		return "waits for a node to come online"
	case r.State == Progressing:
		return fmt.Sprintf("waits for %d of %d nodes of wave %d%s to serve it; %s", p.InWave-p.Serving, p.InWave, max(r.Wave, 1),
			labelled(r.label()), after)
	}
	if open := undecided(gates); open != nil && r.Policy.OnInconclusive != 0 {
		return fmt.Sprintf("watches wave %d for %s; gate %s is %s yet; %s", r.Wave, r.Policy.soak(r.Wave), open.Gate, open.Outcome.Words(), after)
	}
	return fmt.Sprintf("watches wave %d for %s since %s; %s", r.Wave, r.Policy.soak(r.Wave), r.SettleTime.UTC().Format(time.TimeOnly), after)
}
