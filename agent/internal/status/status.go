// Package status holds the status of one agent. Its parts write it; the registry client and the HTTP listener read it. It decides
// nothing.
package status

import (
	"slices"
	"sync"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/cost"
)

// Condition is something that an operator should know.
type Condition struct {
	Type    string    `json:"type"` // stable, CamelCase
	Message string    `json:"message"`
	Since   time.Time `json:"since"`
}

// Event is something that happened on the node, such as a load, a refusal or a healed drift.
type Event struct {
	Time    time.Time `json:"time"`
	Type    string    `json:"type"`    // stable, CamelCase
	Message string    `json:"message"` // free of secrets
}

// MaxEvents is how many events are kept; the oldest is dropped.
const MaxEvents = 32

// View is one moment of an agent.
type View struct {
	Group            string    `json:"group"`
	Node             string    `json:"node"`
	BootID           string    `json:"boot_id"`
	Phase            string    `json:"phase"` // waiting, loading (from the post on), serving, unmanaged, refused or failing
	Revision         int64     `json:"revision"`
	Digest           string    `json:"digest"`
	Proven           bool      `json:"proven"` // nothing since the proof could have changed what is served
	Proof            string    `json:"proof,omitempty"`
	Epoch            int64     `json:"epoch"`
	Decision         int64     `json:"decision"`
	Term             int64     `json:"term"`
	TermID           int64     `json:"term_id"`
	WantedRevision   int64     `json:"wanted_revision"`
	WantedDigest     string    `json:"wanted_digest,omitempty"`
	GatewayReachable bool      `json:"gateway_reachable"`
	GatewayReady     bool      `json:"gateway_ready"`
	KongVersion      string    `json:"kong_version,omitempty"`
	Draining         bool      `json:"draining"`
	DrainReason      string    `json:"drain_reason,omitempty"`
	DrainSince       time.Time `json:"drain_since,omitzero"`
	Connected        bool      `json:"connected"`  // to a distributor
	NameTaken        bool      `json:"name_taken"` // another agent is enrolled under the node's name
	Enrolled         bool      `json:"enrolled"`   // at a registry
	// the services that refuse the node's certificate; replaced, never changed
	RevokedAt     []string          `json:"revoked_at,omitempty"`
	LoadTime      time.Duration     `json:"load_time_ns"`
	ProofTime     time.Duration     `json:"proof_time_ns"`
	Loads         int64             `json:"loads"`
	Drifts        int64             `json:"drifts"`
	ReceivedBytes int64             `json:"received_bytes"`
	Targets       *Targets          `json:"drained_targets,omitempty"` // nil before the first set; replaced, never changed
	Unmanaged     *Unmanaged        `json:"unmanaged,omitempty"`       // set while the gateway is left alone; replaced, never changed
	Problems      []verdict.Problem `json:"problems,omitempty"`        // of the last refusal, while it stands
	Conditions    []Condition       `json:"conditions"`
	Probes        []Probe           `json:"probes,omitempty"`
	Health        *fleet.Health     `json:"health,omitempty"`       // as sampled last; nil before
	Reported      *fleet.Health     `json:"-"`                      // what the registry is to know of it
	RecentLoads   []cost.Sample     `json:"recent_loads,omitempty"` // oldest first; replaced, never changed
	Events        []Event           `json:"events"`                 // oldest first, at most MaxEvents
	LoadDecided   bool              `json:"-"`                      // until the load ended; a hello claims nothing meanwhile
}

// Unmanaged is a configuration that the gateway serves and no snapshot brought.
type Unmanaged struct {
	// identifies it: the digest of its inventory, or "md5:" and the gateway's hash while it cannot be read
	Served   string `json:"served"`
	Entities int64  `json:"entities"`         // 0 while they cannot be read
	Reason   string `json:"reason,omitempty"` // why a directive was not followed, or it cannot be read
}

// Targets is how the gateway keeps targets of upstreams out of its balancers.
type Targets struct {
	Epoch     int64 `json:"epoch"`
	Version   int64 `json:"version"`
	Wanted    int   `json:"wanted"`
	Out       int   `json:"out"`       // seen out since the last load and start
	Absent    int   `json:"absent"`    // the gateway's configuration does not have them
	Releasing int   `json:"releasing"` // still to be let in again
}

// Stamp is the place of the last decision that was followed among all decisions.
func (v View) Stamp() fleet.Stamp {
	return fleet.Stamp{Epoch: fleet.Epoch(v.Epoch), Decision: fleet.Decision(v.Decision), Term: fleet.Term(v.Term),
		TermID: fleet.TermID(v.TermID)}
}

// Probe is the state of one of the group's probes. It is replaced, never changed.
type Probe struct {
	Path      string    `json:"path"`
	Host      string    `json:"host,omitempty"`
	Readiness bool      `json:"readiness"` // a failing one takes the node out of load balancing
	Asked     bool      `json:"asked"`     // there was a result
	Failing   bool      `json:"failing"`
	Reason    string    `json:"reason,omitempty"` // of the last bad result
	Since     time.Time `json:"since,omitzero"`   // the probe fails, or is good
}

// Name is the name of the probe in messages: its path, and its host when it has one.
func (p Probe) Name() string {
	if p.Host == "" {
		return p.Path
	}
	return p.Path + " of " + p.Host
}

// Unready returns the reasons why load balancers should send no traffic; none when they may. An unmanaged gateway serves its
// own configuration. A probe without a result yet does not count.
func (v View) Unready() []string {
	var reasons []string
	if !v.GatewayReady {
		reasons = append(reasons, "the gateway is not ready")
	}
	if !v.Proven && v.Unmanaged == nil {
		reasons = append(reasons, "no snapshot is proven to be served")
	}
	if v.NameTaken {
		reasons = append(reasons, "another agent is enrolled under the node's name")
	}
	if v.Draining {
		reason := "draining"
		if v.DrainReason != "" {
			reason += ": " + v.DrainReason
		}
		reasons = append(reasons, reason)
	}
	for _, p := range v.Probes {
		if p.Readiness && p.Asked && p.Failing {
			reasons = append(reasons, "probe "+p.Name()+" fails: "+p.Reason)
		}
	}
	return reasons
}

// Serving reports whether load balancers may send traffic.
func (v View) Serving() bool { return len(v.Unready()) == 0 }

// Tracker is safe for concurrent use.
type Tracker struct {
	mu      sync.Mutex
	view    View
	changed chan struct{}
}

// New returns a tracker that shows view.
func New(view View) *Tracker {
	if view.Conditions == nil {
		view.Conditions = []Condition{}
	}
	if view.Events == nil {
		view.Events = []Event{}
	}
	return &Tracker{view: view, changed: make(chan struct{}, 1)}
}

// View returns a copy.
func (t *Tracker) View() View {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.correctTimes(time.Now())
	v := t.view
	v.Conditions = slices.Clone(v.Conditions)
	v.Problems = slices.Clone(v.Problems)
	v.Events = slices.Clone(v.Events)
	return v
}

// Update changes what is shown. The function must not block, nor keep the view.
func (t *Tracker) Update(change func(*View)) {
	t.update(func(v *View) bool {
		change(v)
		return true
	})
}

// update is like Update, for a function that returns false when it changed nothing.
func (t *Tracker) update(change func(*View) bool) {
	t.mu.Lock()
	changed := change(&t.view)
	t.mu.Unlock()
	if !changed {
		return
	}
	select {
	case t.changed <- struct{}{}:
	default: // already signalled
	}
}

// Changed is sent to after a change. It has one receiver.
func (t *Tracker) Changed() <-chan struct{} { return t.changed }

// Record adds an event.
func (t *Tracker) Record(kind, message string, now time.Time) {
	t.Update(func(v *View) {
		if over := len(v.Events) + 1 - MaxEvents; over > 0 {
			v.Events = slices.Delete(v.Events, 0, over)
		}
		v.Events = append(v.Events, Event{Time: now, Type: kind, Message: message})
	})
}

// Raise shows a condition, or updates its message. Since stays.
func (t *Tracker) Raise(kind, message string, now time.Time) {
	t.update(func(v *View) bool {
		at := slices.IndexFunc(v.Conditions, func(c Condition) bool { return c.Type == kind })
		if at < 0 {
			v.Conditions = append(v.Conditions, Condition{Type: kind, Message: message, Since: now})
			return true
		}
		before := v.Conditions[at].Message
		v.Conditions[at].Message = message
		return message != before
	})
}

// Clear removes a condition.
func (t *Tracker) Clear(kind string) {
	t.update(func(v *View) bool {
		before := len(v.Conditions)
		v.Conditions = slices.DeleteFunc(v.Conditions, func(c Condition) bool { return c.Type == kind })
		return len(v.Conditions) < before
	})
}
