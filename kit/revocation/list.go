// Package revocation refuses certificates that an authority signed and an operator revoked. The list is enforced at every replica of every
// service: the registry reads it from its ledger, the others follow the registry. A certificate is judged by its subject and by when it was
// issued, so a certificate that is issued after the revocation works. See ADR 32.
package revocation

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/identity"
)

// Skew is by how much the clock of an authority may be ahead of the registry's. Certificates whose issue time is up to this much after a
// revocation are refused too.
const Skew = 30 * time.Second

// A Subject is the owner of revoked certificates: a node with its group, or a user, whatever the role. It is comparable.
type Subject struct {
	Kind  identity.Kind
	Group string // of a node
	Name  string
}

// Of returns the subject of an identity.
func Of(who identity.Identity) Subject {
	return Subject{Kind: who.Kind, Group: who.Group, Name: who.Name}
}

// String returns the subject for logs and errors.
func (s Subject) String() string {
	if s.Kind == identity.User {
		return "user " + s.Name
	}
	return identity.Identity{Kind: s.Kind, Group: s.Group, Name: s.Name}.String()
}

// remedy returns the command that ends the revocation.
func (s Subject) remedy() string {
	if s.Kind == identity.User {
		return "silverback unrevoke user " + s.Name
	}
	return "silverback unrevoke node " + s.Name + " -g " + s.Group
}

// A List holds the revocations that are in force. It is safe for concurrent use. A nil list refuses nobody.
type List struct {
	refused prometheus.Counter

	mu       sync.RWMutex
	until    map[Subject]time.Time
	complete bool
	changed  []func()
}

// NewList returns an empty list that is not complete yet.
func NewList(metrics prometheus.Registerer) *List {
	l := &List{
		until: map[Subject]time.Time{},
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "silverback_revoked_calls_total", Help: "Calls that were refused because the caller's certificate is revoked.",
		}),
	}
	metrics.MustRegister(l.refused, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "silverback_revocations", Help: "Revocations of certificates that this replica has in force.",
	}, func() float64 { return float64(l.count()) }))
	return l
}

func (l *List) count() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.until)
}

// Put revokes certificates that were issued up to a time.
func (l *List) Put(who Subject, until time.Time) {
	l.change(func() { l.until[who] = until })
}

// Remove ends a revocation.
func (l *List) Remove(who Subject) {
	l.change(func() { delete(l.until, who) })
}

// apply takes a message of the registry. Progress alone changes nothing.
func (l *List) apply(e event) {
	if len(e.Put)+len(e.Deleted) == 0 && l.Known() {
		return
	}
	l.change(func() {
		for _, i := range e.Put {
			l.until[i.Key] = i.Value
		}
		for _, i := range e.Deleted {
			delete(l.until, i.Key)
		}
		l.complete = l.complete || e.Synced
	})
}

// Complete marks the list as complete.
func (l *List) Complete() {
	l.change(func() { l.complete = true })
}

func (l *List) change(edit func()) {
	l.mu.Lock()
	edit()
	callbacks := l.changed
	l.mu.Unlock()
	for _, f := range callbacks {
		f()
	}
}

// OnChange has f called after every change. f must not block.
func (l *List) OnChange(f func()) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed = append(l.changed, f)
}

// Holds reports whether a certificate of an identity, issued at a time, is revoked.
func (l *List) Holds(who identity.Identity, issued time.Time) bool {
	_, held := l.held(who, issued)
	return held
}

func (l *List) held(who identity.Identity, issued time.Time) (until time.Time, held bool) {
	if l == nil {
		return time.Time{}, false
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	until, revoked := l.until[Of(who)]
	return until, revoked && !issued.After(until)
}

// Refuse implements identity.Revocations: it returns the fault of a call with a revoked certificate, and nil for any other.
func (l *List) Refuse(who identity.Identity, issued time.Time) error {
	until, held := l.held(who, issued)
	if !held {
		return nil
	}
	l.refused.Inc()
	subject := Of(who)
	return fault.New(fault.Denied, "CERTIFICATE_REVOKED",
		"the certificate of %s was issued at %s (its NotBefore) and is revoked: give it one that is issued after %s, or undo with %s",
		subject, clock(issued), clock(until), subject.remedy()).With("issued_until", until.UTC().Format(time.RFC3339))
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Known implements identity.Revocations: it reports whether the list was ever complete.
func (l *List) Known() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.complete
}
