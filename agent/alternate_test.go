package agent_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/agent/internal/controlplanetest"
)

// vitals are the figures that grow when a process leaks.
type vitals struct{ goroutines, files, kilobytes int } // of live heap

func (p *pair) vitals() (v vitals) {
	p.t.Helper()
	pid := p.sidecar.life.PID()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		p.t.Fatal(err)
	}
	v.files = len(entries)
	v.kilobytes = live(p.t, p.config.HTTP.Listen) >> 10
	resp, err := http.Get("http://" + p.config.HTTP.Listen + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	for line := range strings.Lines(string(body)) {
		_, _ = fmt.Sscanf(line, "go_goroutines %d", &v.goroutines)
	}
	http.DefaultClient.CloseIdleConnections()
	return v
}

// TestAThousandConfigurations gives one gateway good and refused configurations in turn, with drift in between. The agent must not grow,
// and a route that is in each of them must be served all the time.
func TestAThousandConfigurations(t *testing.T) {
	const rounds = 1000
	p := newPair(t, build(t, agentPackage), build(t, kongPackage), "--log-level=error")
	before := controlplanetest.Routes(t, "base")
	p.ask(1, before)
	p.answer()
	stop := p.watchRoute("/base")
	defer stop()
	var first vitals
	for i := 2; i <= rounds; i++ {
		if i%2 == 0 {
			to := controlplanetest.Routes(t, "base", fmt.Sprintf("good-%d", i))
			p.direct(int64(i), int64(10*i), before, to)
			if o := p.answer(); o.GetAck() == nil {
				t.Fatalf("%d: outcome %v", i, o)
			}
			before = to
		} else {
			p.direct(int64(i), int64(10*i), nil, unknownPlugin(t, fmt.Sprintf("bad-%d", i)))
			if o := p.answer(); o.GetNack() == nil || o.GetNack().GetServingDigest() != string(before.Digest()) {
				t.Fatalf("%d: outcome %v", i, o)
			}
		}
		if i == rounds/5 {
			first = p.vitals() // what is made once is there
		}
	}
	last := p.vitals()
	t.Logf("after %d: %+v; after %d: %+v", rounds/5, first, rounds, last)
	if last.goroutines > first.goroutines+10 || last.files > first.files+10 || last.kilobytes > first.kilobytes+4<<10 {
		t.Errorf("the agent grew from %+v to %+v", first, last)
	}
	if served := stop(); served < rounds {
		t.Errorf("only %d requests were served", served)
	} else {
		t.Logf("%d requests, all served", served)
	}
	if v := p.view(); len(v.Events) > 32 {
		t.Errorf("%d events", len(v.Events))
	}
}

// The watcher fails when a configuration lacks its route.
func TestTheWatcherSeesAGap(t *testing.T) {
	n := newNode(t)
	n.started()
	n.acked(1, 10, nil, controlplanetest.Routes(t, "base"))
	inner := &testing.T{}
	p := &pair{node: &node{t: inner}, proxy: n.kong.ProxyURL()}
	stop := p.watchRoute("/base")
	n.acked(2, 11, nil, controlplanetest.Routes(t, "other"))
	n.until("the watcher fails", inner.Failed)
	stop()
}

// Another client configures the gateway repeatedly after an ack. Each drift is found, counted, reported and healed.
func TestDriftAfterAnAck(t *testing.T) {
	n := newNode(t)
	n.started()
	older, newer := controlplanetest.Routes(t, "base", "older"), controlplanetest.Routes(t, "base", "newer")
	n.acked(1, 10, nil, older)
	n.acked(2, 11, older, newer)
	hash := n.kong.Hash()
	for i, text := range []string{
		foreign,
		`{"_format_version":"3.0","_comment":"newer","services":[{"name":"newer-looking","host":"127.0.0.1"}]}`,
	} {
		n.post(text)
		n.until("healed and counted", func() bool {
			v := n.agent.Status()
			return n.kong.Hash() == hash && v.Serving() && v.Drifts == int64(i+1)
		})
		n.until("told", func() bool { return strings.Contains(n.condition("DriftHealed"), "it is none of ours") })
	}
	n.until("the registry is told after it was healed", func() bool {
		for _, c := range n.controlPlane.LastStatus().GetConditions() {
			if c.GetType() == "DriftHealed" {
				return true
			}
		}
		return false
	})
	var kinds []string
	for _, e := range n.agent.Status().Events {
		if e.Type == "Drift" || e.Type == "DriftHealed" {
			kinds = append(kinds, e.Type)
		}
	}
	if got := strings.Join(kinds, " "); got != "Drift DriftHealed Drift DriftHealed" {
		t.Errorf("it happened %s", got)
	}
	select {
	case o := <-n.controlPlane.Outcomes:
		t.Errorf("drift was answered as if it were a directive: %v", o)
	default:
	}
}
