package stream

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/store"
)

// lateRoster knows nobody until it is heard, and calls nobody then.
type lateRoster struct {
	heard  atomic.Bool
	holder string
}

func (r *lateRoster) Holder(fleet.GroupID, fleet.NodeID) (string, <-chan struct{}) {
	if r.heard.Load() {
		return r.holder, nil
	}
	return "", nil
}

// While the registry does not answer any agent is admitted. A wrong one is disconnected afterwards.
func TestASecondAgentAdmittedDuringAnOutageIsDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		roster := &lateRoster{holder: "1"}
		h := NewHub(Deps{View: store.NewView(log), Roster: roster, Log: log, Metrics: NewMetrics(prometheus.NewRegistry())})
		g := &group{id: "g", sessions: map[fleet.NodeID]*session{}}
		h.groups["g"] = g
		mine := newSession(h, g, &distributorv1.Hello{Group: "g", Node: "mine", BootId: "1"})
		twin := newSession(h, g, &distributorv1.Hello{Group: "g", Node: "twin", BootId: "2"})
		g.sessions["mine"], g.sessions["twin"] = mine, twin
		go func() { _ = h.audit(t.Context()) }()
		<-time.After(3 * enrolTimeout)
		if len(twin.end) != 0 {
			t.Error("an agent was sent away by a registry that was not heard")
		}
		roster.heard.Store(true)
		if why := <-twin.end; !errors.Is(why, fault.Of(fault.WrongState)) {
			t.Errorf("the twin's stream ends with %v", why)
		}
		if len(mine.end) != 0 {
			t.Error("the enrolled agent was sent away")
		}
	})
}
