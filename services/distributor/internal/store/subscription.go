package store

import (
	"sync"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// A Subscription collects the groups that changed since the last Take. It never blocks the view.
type Subscription struct {
	view  *View
	bell  chan struct{} // capacity 1: groups are waiting
	mu    sync.Mutex
	dirty map[fleet.GroupID]struct{}
}

// Subscribe returns a subscription that begins with every present group. Close ends it.
func (v *View) Subscribe() *Subscription {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := &Subscription{view: v, bell: make(chan struct{}, 1), dirty: map[fleet.GroupID]struct{}{}}
	v.subs[s] = struct{}{}
	for id := range v.groups {
		s.ring(id)
	}
	return s
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.view.mu.Lock()
	defer s.view.mu.Unlock()
	delete(s.view.subs, s)
}

// Bell receives when groups are waiting.
func (s *Subscription) Bell() <-chan struct{} { return s.bell }

// Take returns the groups that changed, each once.
func (s *Subscription) Take() []fleet.GroupID {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]fleet.GroupID, 0, len(s.dirty))
	for id := range s.dirty {
		all = append(all, id)
	}
	clear(s.dirty)
	return all
}

func (s *Subscription) ring(id fleet.GroupID) {
	s.mu.Lock()
	s.dirty[id] = struct{}{}
	s.mu.Unlock()
	select {
	case s.bell <- struct{}{}:
	default:
	}
}
