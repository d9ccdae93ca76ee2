package session

import (
	"time"

	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/store"
)

// twinLogged is how often the log is told of one twin.
const twinLogged = time.Minute

// twin is what this replica remembers of agents that were refused under one name.
type twin struct {
	last    roster.Twin
	written time.Time
	logged  time.Time
	queued  bool // its last attempt is to be written
}

// Refused notes that an agent was refused, since another one holds the node: in the log and in the node's record, each now and then.
func (b *Book) Refused(key roster.Key, t roster.Twin) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := t.Last
	w := b.twins[key]
	if w == nil {
		for other, old := range b.twins {
			if now.Sub(old.last.Last) >= roster.TwinShown {
				delete(b.twins, other)
			}
		}
		w = &twin{}
		b.twins[key] = w
	}
	w.last = t
	if w.logged.IsZero() || now.Sub(w.logged) >= twinLogged {
		w.logged = now
		b.Log.Warn("an agent is refused: another one is enrolled under the same name, and renews", "group", key.Group, "node", key.Node,
			"from", t.From, "agent_address", t.Agent, "boot_id", t.BootID)
	}
	if w.written.IsZero() || now.Sub(w.written) >= roster.TwinWritten {
		w.written, w.queued = now, true
		b.push(key)
	}
}

// met adds a twin to what a decision writes.
func met(t roster.Twin, base func(store.Current) (store.Write, error)) func(store.Current) (store.Write, error) {
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
		if with, more := node.Meet(t); more {
			write.Node = &with
		}
		return write, nil
	}
}

func unchanged(store.Current) (store.Write, error) { return store.Write{}, nil }
