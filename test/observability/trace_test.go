package observability_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	tracecollector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"

	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// collector keeps every span that a process sends, by the standard protocol.
type collector struct {
	tracecollector.UnimplementedTraceServiceServer
	address string

	mu    sync.Mutex
	spans []span
}

type span struct {
	process, name     string
	trace, id, parent string
	began, ended      uint64
	failure           string
	text              string // all of it, to look for what must not be in it
}

func startCollector(t *testing.T) *collector {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{address: l.Addr().String()}
	server := grpc.NewServer()
	tracecollector.RegisterTraceServiceServer(server, c)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(l) }() // that it ended early shows in who asks it
	t.Cleanup(func() { server.Stop(); <-ended })
	return c
}

// Export implements the protocol.
func (c *collector) Export(_ context.Context, q *tracecollector.ExportTraceServiceRequest) (*tracecollector.ExportTraceServiceResponse,
	error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range q.GetResourceSpans() {
		name := ""
		for _, a := range r.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				name = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range r.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans = append(c.spans, spanOf(name, s))
			}
		}
	}
	return &tracecollector.ExportTraceServiceResponse{}, nil
}

func spanOf(process string, s *tracev1.Span) span {
	return span{
		process: process, name: s.GetName(), trace: hex.EncodeToString(s.GetTraceId()), id: hex.EncodeToString(s.GetSpanId()),
		parent: hex.EncodeToString(s.GetParentSpanId()), began: s.GetStartTimeUnixNano(), ended: s.GetEndTimeUnixNano(),
		failure: s.GetStatus().GetMessage(), text: s.String(),
	}
}

// below returns the spans of the trace that begins with a span of a name.
func (c *collector) below(root string) (trace []span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.name != root {
			continue
		}
		for _, other := range c.spans {
			if other.trace == s.trace {
				trace = append(trace, other)
			}
		}
	}
	return trace
}

// path names the spans from the root to this one, or says that one of them was not sent.
func (s span) path(trace []span) string {
	own := s.process + ": " + s.name
	if s.parent == "" {
		return own
	}
	for _, other := range trace {
		if other.id == s.parent {
			return other.path(trace) + " > " + own
		}
	}
	return "? > " + own
}

// One trace leads from the command to the proof on every node, through etcd and a stream that was there before.
func TestOneTraceFromApplyToTheProof(t *testing.T) {
	binaries, err := process.Build()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(binaries.Remove)
	c := startCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+c.address)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50") // milliseconds
	etcd := etcdtest.Start(t)
	f := process.StartFleet(t, binaries, etcd.Endpoints, process.Config{Registries: 1, Translators: 1, Distributors: 2, Gateways: 2})
	file := filepath.Join(t.TempDir(), "kong.yaml")
	const secret = "not-for-traces"
	document := "_format_version: \"3.0\"\nservices:\n- name: shop\n  url: http://127.0.0.1:9\n  routes:\n  - name: shop\n    paths: " +
		"[/shop]\n" +
		"consumers:\n- username: ann\n  keyauth_credentials:\n  - key: " + secret + "\n"
	if err := os.WriteFile(file, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	cli := f.CLI()
	if r := cli.Run(t, "apply", "-g", process.Group, "--wait", file); r.Code != 0 {
		t.Fatalf("exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	const (
		submit = "silverback: silverback apply > silverback: silverback.translator.v1.TranslatorService/SubmitConfig > " +
			"silverback-translator: silverback.translator.v1.TranslatorService/SubmitConfig"
		sent    = submit + " > silverback-distributor: send directive"
		applied = sent + " > silverback-agent: apply"
	)
	want := map[string]int{
		submit: 1, submit + " > silverback-distributor: decide": 2, sent: 2, applied: 2, applied + " > silverback-agent: load": 2,
		applied + " > silverback-agent: prove": 2, applied + " > silverback-distributor: count outcome": 2,
	}
	var trace []span
	process.Eventually(t, time.Minute, "every span arrived", func() error {
		trace = c.below("silverback apply")
		paths := map[string]int{}
		for _, s := range trace {
			paths[s.path(trace)]++
		}
		for path, n := range want {
			if paths[path] < n {
				return fmt.Errorf("%d of %q; there are:\n%s", paths[path], path, strings.Join(slices.Sorted(maps.Keys(paths)), "\n"))
			}
		}
		return nil
	})
	for _, s := range trace {
		if strings.Contains(s.text, secret) {
			t.Errorf("%s: %s tells a secret", s.process, s.name)
		}
		// A watch that the command ends when it has seen enough is cut off; what led to the proof is not.
		if want[s.path(trace)] > 0 && (s.ended < s.began || s.failure != "") {
			t.Errorf("%s: %s took from %d to %d and ended with %q", s.process, s.name, s.began, s.ended, s.failure)
		}
	}
}
