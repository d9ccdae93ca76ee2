package apply

import (
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/status"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
)

// noticeTime is how long a condition is shown for something that is over.
const noticeTime = time.Minute

type notice struct {
	message string
	until   time.Time
}

// notice records an event, and shows it as a condition for a while.
func (a *Applier) notice(kind, message string) {
	a.showFor(kind, message)
	a.Status.Record(kind, message, time.Now())
}

// showFor shows a condition for a while.
func (a *Applier) showFor(kind, message string) {
	a.notices[kind] = notice{message, time.Now().Add(noticeTime)}
}

// show publishes the state to the other parts of the agent.
func (a *Applier) show() {
	s, now := a.state, time.Now()
	a.refused.Store(&s.Memory.Refused)
	if s.unmanaged() && s.Unmanaged.Unread == "" {
		a.unmanaged.Store(&s.Unmanaged)
	} else {
		a.unmanaged.Store(nil)
	}
	c, known := a.Capabilities()
	a.Status.Update(func(v *status.View) {
		serving := s.Serving
		v.Revision, v.Digest, v.Proven = int64(serving.Snapshot.Revision), string(serving.Snapshot.Digest), serving.Proven
		v.Proof = ""
		if serving.Snapshot.Digest != "" {
			v.Proof = serving.Ack.Proof.String()
		}
		v.Epoch, v.Decision = int64(s.Memory.Epoch), int64(s.Memory.Decision)
		v.Term, v.TermID = int64(s.Memory.Term), int64(s.Memory.TermID)
		v.WantedRevision, v.WantedDigest = int64(s.Wanted.Snapshot.Revision), string(s.Wanted.Snapshot.Digest)
		v.GatewayReachable, v.GatewayReady = s.Gateway.Reachable, s.Gateway.Ready
		v.Loads, v.Drifts, v.RecentLoads = serving.Loads, s.Drift.Count, s.Memory.Loads
		if serving.Ack.LoadTime > 0 {
			v.LoadTime = serving.Ack.LoadTime
		}
		v.ProofTime, v.Problems = serving.Ack.ProofTime, s.Wanted.Problems
		if known {
			v.KongVersion = c.KongVersion
		}
		v.Phase, v.LoadDecided, v.Unmanaged = s.phase(), s.Wanted.Stage != Idle, s.unmanagedStatus()
	})
	for kind, message := range a.conditions() {
		if message == "" {
			a.Status.Clear(kind)
		} else {
			a.Status.Raise(kind, message, now)
		}
	}
	a.Meters.Serving(s.Serving.Snapshot.Revision)
}

// phase is the phase of status.View.
func (s State) phase() string {
	switch {
	case s.Wanted.Stage == Posting:
		return "loading"
	case len(s.Wanted.Problems) > 0:
		return "refused"
	case !s.Wanted.RetryAt.IsZero():
		return "failing"
	case s.Serving.Proven:
		return "serving"
	case s.unmanaged():
		return "unmanaged"
	}
	return "waiting"
}

// conditions returns the message of every condition of the applier; empty for one that does not hold.
func (a *Applier) conditions() map[string]string {
	s := a.state
	c := map[string]string{
		"GatewayUnreachable": "", "GatewayNotReady": "", "GatewayLost": "", "GatewayBehind": "", "GatewayVersionChanged": "",
		"Drift": "", "DriftHealed": "", "SnapshotRefused": "", "LoadFailing": "", "RestoreFailing": s.Restore.Error,
		"StrayWorker": "", "StaleRouter": "", "StateDirectory": s.Disk.StateDir, "BootFile": s.Disk.BootFile, "BootFileForeign": "",
		"FileTooOpen": "", "DecisionStale": "", "LastKnownGoodDamaged": a.Store.Damage(), "MemoryDamaged": s.Disk.Memory,
	}
	for kind, n := range a.notices {
		if time.Now().Before(n.until) {
			c[kind] = n.message
		}
	}
	switch {
	case s.Gateway.Observed && !s.Gateway.Reachable:
		c["GatewayUnreachable"] = "the gateway does not answer"
	case s.Gateway.Observed && !s.Gateway.Ready && !s.fresh():
		c["GatewayNotReady"] = "the gateway reports that it is not ready: " + s.Gateway.Unready
	}
	if kind := conditionOf(s.Drift.Finding); kind != "" {
		c[kind] = s.driftMessage()
	}
	if problems := s.Wanted.Problems; len(problems) > 0 {
		c["SnapshotRefused"] = (&verdict.Refusal{Problems: problems}).Error()
	}
	failure := s.Wanted.Failure
	if failure.Reason != 0 {
		c["LoadFailing"] = failure.Error()
	}
	s.proofConditions(c)
	if s.Stale != nil {
		c["DecisionStale"] = s.Stale.String() + "; if the ledger (etcd) was restored or lost, run silverback recover"
	}
	if failure.Reason == verdict.Disk && s.Disk.StateDir == "" && s.Disk.BootFile == "" {
		c["StateDirectory"] = failure.Message
	}
	return c
}
