package agent_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/silverback-gateway/silverback/agent"
	"github.com/silverback-gateway/silverback/agent/internal/controlplanetest"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
	"github.com/silverback-gateway/silverback/testkit/port"
)

const patience = time.Minute

// node is one agent beside one simulated gateway.
type node struct {
	t            *testing.T
	controlPlane *controlplanetest.Server
	kong         *kongtest.Gateway
	config       agent.Config

	agent *agent.Agent
	stop  func()
	nonce uint64
	log   bytes.Buffer // to be read after stop
}

// newNode starts a gateway, but no agent yet.
func newNode(t *testing.T, opts ...kongtest.Option) *node {
	n := &node{t: t, controlPlane: controlplanetest.Start(t, port.Address(t)), kong: kongtest.Start(t, opts...)}
	dir := t.TempDir()
	n.config = agent.Config{
		Group: "default", Node: "n1", KongAdmin: n.kong.AdminURL(), KongProxy: n.kong.ProxyURL(), KongStatus: n.kong.StatusURL(),
		StateDir: filepath.Join(dir, "state"), BootFile: filepath.Join(dir, "kong.json"), HTTP: telemetry.HTTPConfig{Listen: "127.0.0.1:0"},
		DriftInterval: 20 * time.Millisecond, LoadTimeout: patience, LoadGap: time.Millisecond, ProofTimeout: patience,
	}
	return n
}

// start runs the agent and waits for nothing.
func (n *node) start() {
	n.t.Helper()
	var decisions recording
	d := agent.Deps{
		Log: slog.New(slog.NewTextHandler(io.MultiWriter(n.t.Output(), &n.log), nil)), Metrics: prometheus.NewRegistry(),
		DialRegistry: n.controlPlane.Dial, DialDistributor: n.controlPlane.Dial,
	}
	d.OnDecision(decisions.add)
	a, err := agent.New(n.config, d)
	if err != nil {
		n.t.Fatalf("new agent: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = a.Run(ctx)
	}()
	n.agent = a
	n.stop = sync.OnceFunc(func() {
		cancel()
		<-done
		decisions.check(n.t)
	})
	n.t.Cleanup(n.stop)
}

// started runs the agent and waits for its hello.
func (n *node) started() *distributorv1.Hello {
	n.t.Helper()
	n.start()
	return n.hello()
}

func (n *node) hello() *distributorv1.Hello {
	n.t.Helper()
	select {
	case h := <-n.controlPlane.Hellos:
		return h
	case <-time.After(patience):
		n.t.Fatal("no hello")
		return nil
	}
}

// direct sends a directive, cut into parts of at most 64 KiB.
func (n *node) direct(revision, decision int64, base, to *snapshot.Snapshot) {
	n.t.Helper()
	n.nonce++
	for _, m := range controlplanetest.Directive(n.t, n.nonce, revision, decision, base, to, 64<<10) {
		n.controlPlane.Send(n.t, m)
	}
}

func (n *node) outcome() *distributorv1.Outcome {
	n.t.Helper()
	select {
	case o := <-n.controlPlane.Outcomes:
		return o
	case <-time.After(patience):
		n.t.Fatalf("no outcome; the agent says %+v", n.agent.Status())
		return nil
	}
}

// acked sends a directive and wants an ack.
func (n *node) acked(revision, decision int64, base, to *snapshot.Snapshot) *distributorv1.Ack {
	n.t.Helper()
	n.direct(revision, decision, base, to)
	o := n.outcome()
	if o.GetAck() == nil {
		n.t.Fatalf("outcome %v, want an ack", o)
	}
	return o.GetAck()
}

// until waits for a condition. There is no event for what a gateway does on its own.
func (n *node) until(what string, is func() bool) {
	n.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			n.t.Fatalf("not in time: %s; the agent says %+v", what, n.agent.Status())
		}
	}
}

// eventually is until for an agent whose state the test cannot read.
func (n *node) eventually(what string, is func() bool) {
	n.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			n.t.Fatalf("not in time: %s", what)
		}
	}
}

// proxied asks the gateway's proxy for a path.
func (n *node) proxied(path string) int {
	return status(n.kong.ProxyURL() + path)
}

func status(url string) int {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func (n *node) condition(kind string) string {
	for _, c := range n.agent.Status().Conditions {
		if c.Type == kind {
			return c.Message
		}
	}
	return ""
}

func newAgent(n *node) (*agent.Agent, error) {
	return agent.New(n.config, agent.Deps{DialRegistry: n.controlPlane.Dial, DialDistributor: n.controlPlane.Dial})
}

// outcomeOfProcess is outcome for an agent whose state the test cannot read.
func (n *node) outcomeOfProcess() *distributorv1.Outcome {
	n.t.Helper()
	select {
	case o := <-n.controlPlane.Outcomes:
		return o
	case <-time.After(patience):
		n.t.Fatal("no outcome")
		return nil
	}
}
