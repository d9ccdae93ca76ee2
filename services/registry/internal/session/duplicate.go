package session

import (
	"maps"
	"time"

	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/store"
)

// duplicateLogInterval is the least time between two log lines about one duplicate.
const duplicateLogInterval = time.Minute

// duplicate is the memory of agents refused under one name.
type duplicate struct {
	last    roster.DuplicateAgent
	written time.Time
	logged  time.Time
	queued  bool // the last attempt waits to be written
}

// Refused notes in the log and in the node's record, at intervals, that an agent was refused because another one holds the node.
func (s *Sessions) Refused(key roster.Key, t roster.DuplicateAgent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := t.Last
	w := s.duplicates[key]
	if w == nil {
		maps.DeleteFunc(s.duplicates, func(_ roster.Key, old *duplicate) bool { return now.Sub(old.last.Last) >= roster.DuplicateShown })
		w = &duplicate{}
		s.duplicates[key] = w
	}
	w.last = t
	if w.logged.IsZero() || now.Sub(w.logged) >= duplicateLogInterval {
		w.logged = now
		s.Log.Warn("agent refused: another agent is enrolled under the same name and renews", "group", key.Group, "node", key.Node,
			"from", t.From, "agent_address", t.Agent, "boot_id", t.BootID)
	}
	if w.written.IsZero() || now.Sub(w.written) >= roster.DuplicateWriteInterval {
		w.written, w.queued = now, true
		s.push(key)
	}
}

// withDuplicate adds a duplicate agent to what a decision writes.
func withDuplicate(t roster.DuplicateAgent, base func(store.Current) (store.Write, error)) func(store.Current) (store.Write, error) {
	return func(cur store.Current) (store.Write, error) {
		write, err := base(cur)
		if err != nil {
			return write, err
		}
		node := write.Node
		if node == nil {
			node = cur.Node
		}
		if node == nil {
			return write, nil
		}
		if with, more := node.WithDuplicate(t); more {
			write.Node = &with
		}
		return write, nil
	}
}

func unchanged(store.Current) (store.Write, error) { return store.Write{}, nil }
