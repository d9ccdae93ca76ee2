// Package targets decides which targets of upstreams the gateways of a group keep out: the set that operators and controllers change, and
// whether a change may be made. It is pure.
package targets

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/target"
)

const (
	// MaxDrains bounds the targets that are kept out of a group, each counted once for each owner. It is part of the contract.
	MaxDrains = target.MaxKept
	// MaxBytes bounds the record of a group. An etcd takes 1.5 MB in one write.
	MaxBytes = 512 << 10
	// maxRequests is how many requests are known again.
	maxRequests = 32
)

// A Set is what the gateways of a group are to keep out. The zero Set is nothing. It is a value: Change returns a new one.
type Set struct {
	Acts     []Act    `json:"acts,omitempty"`     // the oldest first
	Requests []string `json:"requests,omitempty"` // the ids of the last changes, the oldest first
	Stamp    fleet.Stamp
}

// An Act is one call that took targets out, as far as they still are. Of one owner and target there is one Act.
type Act struct {
	Owner   string        `json:"owner"`
	Author  string        `json:"author"`
	Reason  string        `json:"reason"`
	Time    time.Time     `json:"time"`
	Targets []target.Name `json:"targets"` // sorted
}

// MarshalJSON leaves the stamp out: it is that of the record in etcd.
func (s Set) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Acts     []Act    `json:"acts,omitempty"`
		Requests []string `json:"requests,omitempty"`
	}{s.Acts, s.Requests})
}

// A Change takes targets out and brings others back, for one owner.
type Change struct {
	Owner, Author, Reason string
	Time                  time.Time
	RequestID             string // empty: not known again
	Add, Remove           []target.Name
	Replace               bool // every other target of the owner is brought back
}

// A Changer makes a set of another one, or reports that it changes nothing.
type Changer func(was Set) (next Set, changed bool, err error)

// Known reports whether a request was carried out before.
func (s Set) Known(request string) bool { return request != "" && slices.Contains(s.Requests, request) }

// Apply returns the set after a change, and how many targets it added and removed for the owner. A target that the owner keeps out
// already keeps its reason and time. What removes and adds a target adds it.
func (s Set) Apply(c Change) (_ Set, added, removed int) {
	add := unique(c.Add)
	remove := map[target.Name]bool{}
	for _, n := range c.Remove {
		remove[n] = true
	}
	gone := func(n target.Name) bool {
		_, stays := slices.BinarySearchFunc(add, n, target.Name.Compare)
		return !stays && (c.Replace || remove[n])
	}
	var next Set
	there := map[target.Name]bool{}
	for _, act := range s.Acts {
		if act.Owner == c.Owner {
			kept := slices.DeleteFunc(slices.Clone(act.Targets), gone)
			removed += len(act.Targets) - len(kept)
			act.Targets = kept
			for _, n := range kept {
				there[n] = true
			}
		}
		if len(act.Targets) > 0 {
			next.Acts = append(next.Acts, act)
		}
	}
	fresh := slices.DeleteFunc(add, func(n target.Name) bool { return there[n] })
	if len(fresh) > 0 {
		next.Acts = append(next.Acts, Act{Owner: c.Owner, Author: c.Author, Reason: c.Reason, Time: c.Time, Targets: fresh})
	}
	next.Requests = s.Requests
	if c.RequestID != "" {
		next.Requests = append(slices.Clone(s.Requests), c.RequestID)
		next.Requests = next.Requests[max(0, len(next.Requests)-maxRequests):]
	}
	return next, len(fresh), removed
}

func unique(names []target.Name) []target.Name {
	return slices.Compact(slices.SortedFunc(slices.Values(names), target.Name.Compare))
}

// Size is how many targets are kept out, each counted once for each owner.
func (s Set) Size() (n int) {
	for _, act := range s.Acts {
		n += len(act.Targets)
	}
	return n
}

// Names returns the targets that are kept out, sorted, each once.
func (s Set) Names() []target.Name {
	var all []target.Name
	for _, act := range s.Acts {
		all = append(all, act.Targets...)
	}
	return unique(all)
}

// WithoutStale returns the set without the targets that no upstreams in use have.
func (s Set) WithoutStale(use []target.Upstreams) Set {
	next := Set{Requests: s.Requests, Stamp: s.Stamp}
	for _, act := range s.Acts {
		act.Targets = slices.DeleteFunc(slices.Clone(act.Targets), func(n target.Name) bool { return Stale(n, use) })
		if len(act.Targets) > 0 {
			next.Acts = append(next.Acts, act)
		}
	}
	return next
}

// Stale reports whether no upstreams in use have a target. Without knowing any it reports false.
func Stale(n target.Name, use []target.Upstreams) bool {
	return len(use) > 0 && !slices.ContainsFunc(use, func(u target.Upstreams) bool { return u[n.Upstream].Has(n.Target) })
}

// Fits refuses a set that is larger than the contract allows.
func (s Set) Fits() error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if n := s.Size(); n > MaxDrains || len(text) > MaxBytes {
		return fault.New(fault.WrongState, "TOO_MANY_DRAINED_TARGETS", "%d targets in %d bytes would be kept out of the group; at most %d in %d "+
			"bytes can be: take targets out of the configuration that are to stay out, and undrain them", n, len(text), MaxDrains, MaxBytes)
	}
	return nil
}

// A Drained is one target that one owner keeps out.
type Drained struct {
	target.Name
	Owner, Author, Reason string
	Time                  time.Time
}

// All returns every target that is kept out, by upstream, target and owner.
func (s Set) All() (all []Drained) {
	for _, act := range s.Acts {
		for _, n := range act.Targets {
			all = append(all, Drained{n, act.Owner, act.Author, act.Reason, act.Time})
		}
	}
	slices.SortFunc(all, Drained.Compare)
	return all
}

// Compare orders by upstream, target and owner.
func (d Drained) Compare(other Drained) int {
	return cmp.Or(d.Name.Compare(other.Name), cmp.Compare(d.Owner, other.Owner))
}

// A Problem is why a target cannot be taken out, or what an operator should know of one that can.
type Problem struct {
	Names []target.Name
	Err   error
}

// Check returns why targets cannot be taken out of what a group runs. A target that one of the upstreams in use has, with health checks,
// can be. Without knowing any upstreams, it returns nothing.
func Check(names []target.Name, use []target.Upstreams) []Problem {
	if len(use) == 0 {
		return nil
	}
	found := map[error][]target.Name{}
	for _, n := range names {
		var why error
		for i, u := range use {
			lacks := u.Lacks(n)
			if i == 0 || lacks == nil || severity(lacks) < severity(why) {
				why = lacks
			}
			if lacks == nil {
				break
			}
		}
		if why != nil {
			found[why] = append(found[why], n)
		}
	}
	var all []Problem
	for _, err := range []error{target.ErrNoUpstream, target.ErrNoTarget, target.ErrNoChecks} {
		if names := found[err]; len(names) > 0 {
			all = append(all, Problem{names, err})
		}
	}
	return all
}

// severity orders what configurations lack: the nearest to what was wanted is the least.
func severity(err error) int {
	return slices.Index([]error{nil, target.ErrNoChecks, target.ErrNoTarget, target.ErrNoUpstream}, err)
}

// Emptied returns the upstreams of the names that would answer nothing once the set is kept out, by name. Those that answer nothing
// without the change either are not among them.
func Emptied(names []target.Name, before, after Set, use []target.Upstreams) []string {
	was, is := before.lookup(), after.lookup()
	emptied := map[string]bool{}
	for _, n := range names {
		for _, u := range use {
			upstream := u[n.Upstream]
			if upstream == nil || !upstream.Checked || emptied[n.Upstream] {
				continue
			}
			out := func(set map[target.Name]bool) func(string) bool {
				return func(t string) bool { return set[target.Name{Upstream: n.Upstream, Target: t}] }
			}
			emptied[n.Upstream] = upstream.Emptied(out(is)) && !upstream.Emptied(out(was))
		}
	}
	maps.DeleteFunc(emptied, func(_ string, is bool) bool { return !is })
	return slices.Sorted(maps.Keys(emptied))
}

func (s Set) lookup() map[target.Name]bool {
	all := map[target.Name]bool{}
	for _, act := range s.Acts {
		for _, n := range act.Targets {
			all[n] = true
		}
	}
	return all
}

// Revived returns the upstreams of the names whose active checks bring targets back that answer them, by name, and how soon.
func Revived(names []target.Name, use []target.Upstreams) map[string]time.Duration {
	all := map[string]time.Duration{}
	for _, n := range names {
		for _, u := range use {
			if upstream := u[n.Upstream]; upstream != nil && upstream.Revives > 0 {
				all[n.Upstream] = upstream.Revives
			}
		}
	}
	return all
}
