package chaos_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/test/process"
)

const watchTick = 40 * time.Millisecond

// watch looks at every gateway for as long as the test runs, and fails it when an agent's decision, term or revision goes back, or when a
// gateway that once served does not any more. A process that does not answer says nothing.
func watch(t *testing.T, f *process.Fleet) {
	t.Helper()
	stop := make(chan struct{})
	var watchers sync.WaitGroup
	for _, g := range f.Gateways {
		watchers.Go(func() {
			ticks := time.NewTicker(watchTick)
			defer ticks.Stop()
			var last process.AgentView
			served := false
			for {
				select {
				case <-stop:
					return
				case <-ticks.C:
				}
				if v, err := g.View(); err == nil {
					if back := goesBack(last, v); back != "" {
						t.Errorf("%s: %s: %+v after %+v", g.Name, back, v, last)
					}
					if v.Decision > 0 {
						last = v
					}
				}
				status, body, err := g.Route("/base")
				if err != nil {
					continue
				}
				if served && status != 200 {
					t.Errorf("%s is empty: /base is answered with %d %s", g.Name, status, body)
				}
				served = served || status == 200
			}
		})
	}
	t.Cleanup(func() { close(stop); watchers.Wait() })
}

// goesBack says what went back from one look at an agent to the next. An agent that just started has followed nothing yet.
func goesBack(before, after process.AgentView) string {
	switch {
	case after.Decision == 0:
		return ""
	case after.Decision < before.Decision:
		return fmt.Sprintf("decision %d after %d", after.Decision, before.Decision)
	case after.Term < before.Term && after.Term > 0:
		return fmt.Sprintf("term %d after %d", after.Term, before.Term)
	case after.Revision < before.Revision && after.Revision > 0: // nothing is rolled back here
		return fmt.Sprintf("revision %d after %d", after.Revision, before.Revision)
	}
	return ""
}

func TestGoesBack(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before, after process.AgentView
		back          bool
	}{
		{name: "forward", before: process.AgentView{Decision: 3, Term: 1}, after: process.AgentView{Decision: 4, Term: 2}},
		{name: "an agent that has just started", before: process.AgentView{Decision: 3, Term: 1}, after: process.AgentView{}},
		{name: "an older decision", before: process.AgentView{Decision: 3, Term: 1}, after: process.AgentView{Decision: 2, Term: 1}, back: true},
		{name: "an older revision", before: process.AgentView{Decision: 3, Revision: 2}, after: process.AgentView{Decision: 3, Revision: 1},
			back: true},
		{name: "an older term", before: process.AgentView{Decision: 3, Term: 2}, after: process.AgentView{Decision: 4, Term: 1}, back: true},
	} {
		if got := goesBack(tt.before, tt.after); (got != "") != tt.back {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}
