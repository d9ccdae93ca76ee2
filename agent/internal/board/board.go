// Package board is where the parts of one agent show what they know, for its owner, its registry and its HTTP listener
// to read. It holds no behaviour.
package board

import (
	"slices"
	"sync"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
)

// Condition is something that an operator should know.
type Condition struct {
	Type    string    `json:"type"` // stable, CamelCase
	Message string    `json:"message"`
	Since   time.Time `json:"since"`
}

// View is one moment of an agent.
type View struct {
	Group             string            `json:"group"`
	Node              string            `json:"node"`
	BootID            string            `json:"boot_id"`
	Phase             string            `json:"phase"` // waiting, loading, serving, refused or failing
	Revision          int64             `json:"revision"`
	Digest            string            `json:"digest"`
	Proven            bool              `json:"proven"` // that digest is served now, as far as is known
	Proof             string            `json:"proof,omitempty"`
	Decision          int64             `json:"decision"`
	Term              int64             `json:"term"`
	WantedRevision    int64             `json:"wanted_revision"`
	WantedDigest      string            `json:"wanted_digest,omitempty"`
	GatewayReachable  bool              `json:"gateway_reachable"`
	GatewayReady      bool              `json:"gateway_ready"`
	KongVersion       string            `json:"kong_version,omitempty"`
	Draining          bool              `json:"draining"`
	Connected         bool              `json:"connected"` // to a distributor
	Enrolled          bool              `json:"enrolled"`  // at a registry
	LoadTime          time.Duration     `json:"load_time_ns"`
	ProofTime         time.Duration     `json:"proof_time_ns"`
	Loads             int64             `json:"loads"`
	Drifts            int64             `json:"drifts"`
	ReceivedBytes     int64             `json:"received_bytes"`
	Problems          []verdict.Problem `json:"problems,omitempty"` // of the last refusal, while it stands
	Conditions        []Condition       `json:"conditions"`
	CapabilitiesCount int64             `json:"-"` // changes when the capabilities were read anew and differ
}

// Serving reports whether load balancers may send traffic.
func (v View) Serving() bool { return v.GatewayReady && v.Proven && !v.Draining }

// Board is safe for concurrent use.
type Board struct {
	mu      sync.Mutex
	view    View
	changed chan struct{}
}

// New returns a board that shows view.
func New(view View) *Board {
	if view.Conditions == nil {
		view.Conditions = []Condition{}
	}
	return &Board{view: view, changed: make(chan struct{}, 1)}
}

// View returns a copy.
func (b *Board) View() View {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := b.view
	v.Conditions = slices.Clone(v.Conditions)
	v.Problems = slices.Clone(v.Problems)
	return v
}

// Update changes what is shown. The function must not block, nor keep the view.
func (b *Board) Update(change func(*View)) {
	b.mu.Lock()
	change(&b.view)
	b.mu.Unlock()
	select {
	case b.changed <- struct{}{}:
	default: // the bell rings already
	}
}

// Changed rings when something changed since it rang last. It is for one listener.
func (b *Board) Changed() <-chan struct{} { return b.changed }

// Raise shows a condition, or changes its message; it keeps since when.
func (b *Board) Raise(kind, message string, now time.Time) {
	b.mu.Lock()
	for i := range b.view.Conditions {
		if c := &b.view.Conditions[i]; c.Type == kind {
			same := c.Message == message
			c.Message = message
			b.mu.Unlock()
			if !same {
				b.Update(func(*View) {})
			}
			return
		}
	}
	b.mu.Unlock()
	b.Update(func(v *View) {
		v.Conditions = append(v.Conditions, Condition{Type: kind, Message: message, Since: now})
	})
}

// Clear takes a condition off.
func (b *Board) Clear(kind string) {
	b.mu.Lock()
	at := slices.IndexFunc(b.view.Conditions, func(c Condition) bool { return c.Type == kind })
	b.mu.Unlock()
	if at >= 0 {
		b.Update(func(v *View) {
			v.Conditions = slices.DeleteFunc(v.Conditions, func(c Condition) bool { return c.Type == kind })
		})
	}
}
