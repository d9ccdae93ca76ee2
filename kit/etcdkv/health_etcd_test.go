package etcdkv_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// logLines hands on what is logged, a line each.
type logLines chan string

func (l logLines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// next returns the next line, which must have all the words.
func (l logLines) next(t *testing.T, words ...string) {
	t.Helper()
	select {
	case line := <-l:
		t.Log(line)
		for _, w := range words {
			if !strings.Contains(line, w) {
				t.Fatalf("no %q in %q", w, line)
			}
		}
	case <-time.After(60 * time.Second):
		t.Fatalf("nothing is logged with %q", words)
	}
}

// contact starts one with a client of its own.
func contact(t *testing.T, endpoints []string) (*etcdkv.HealthProbe, logLines, *prometheus.Registry) {
	t.Helper()
	metrics := prometheus.NewRegistry()
	client, err := etcdkv.Dial(etcdkv.Config{Endpoints: endpoints, Metrics: etcdkv.NewMetrics(metrics)})
	if err != nil {
		t.Fatal(err)
	}
	lines := make(logLines, 100) // more than a test makes it say
	c := etcdkv.NewHealthProbe(client, prefix, slog.New(slog.NewTextHandler(lines, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; _ = client.Close() })
	return c, lines, metrics
}

func TestAnEtcdThatGoesAndComesBackIsTold(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	c, lines, metrics := contact(t, server.Endpoints)
	asked(t, metrics)
	server.Stop(0)
	lines.next(t, "level=WARN", `msg="etcd does not answer; this replica keeps its state`, "endpoints="+server.Endpoints[0], "silent=",
		"connection refused")
	if s := c.Outage(); !strings.Contains(s, server.Endpoints[0]) || !strings.Contains(s, "connection refused") {
		t.Errorf("the outage is %q", s)
	}
	if failures(t, metrics) == 0 {
		t.Error("the metric tells nothing")
	}
	server.Restart(t, 0)
	lines.next(t, "level=INFO", `msg="etcd answers again"`, "endpoints="+server.Endpoints[0], "silent=")
	if s := c.Outage(); s != "" {
		t.Errorf("etcd answers, and the outage is %q", s)
	}
}

func TestAnEtcdThatWasNeverThereIsTold(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	server.Stop(0)
	c, lines, _ := contact(t, server.Endpoints)
	lines.next(t, "level=WARN", `msg="etcd does not answer yet`, "retries every second", "endpoints="+server.Endpoints[0],
		"connection refused")
	if err := c.NotReady().Error(); !strings.HasPrefix(err, "the ledger is not read yet: etcd at "+server.Endpoints[0]) {
		t.Errorf("the ledger is not read because %q", err)
	}
	server.Restart(t, 0)
	lines.next(t, "level=INFO", `msg="etcd answers"`)
}

// A process that was stopped, or a machine that lost its network, refuses nothing.
func TestAnEtcdThatIsCutOffIsTold(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	cut := server.Cut(t)
	c, lines, metrics := contact(t, cut.Client(t).Endpoints())
	asked(t, metrics)
	cut.Sever()
	lines.next(t, "level=WARN", `msg="etcd does not answer; this replica keeps its state`)
	if c.Outage() == "" {
		t.Error("who asks is told nothing")
	}
	cut.Mend()
	lines.next(t, "level=INFO", `msg="etcd answers again"`)
}

// asked returns once etcd was asked, and answered.
func asked(t *testing.T, r *prometheus.Registry) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	for sum(t, r, "silverback_etcd_request_seconds") <= failures(t, r) {
		select {
		case <-deadline:
			t.Fatal("etcd is not asked")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func failures(t *testing.T, r *prometheus.Registry) float64 {
	t.Helper()
	return sum(t, r, "silverback_etcd_request_failures_total")
}

// sum is how much all samples of a metric count.
func sum(t *testing.T, r *prometheus.Registry, name string) (all float64) {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				all += m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return all
}

// A service that lives through a restore of its etcd waits in vain for revisions that were. It is told, and must be started anew.
func TestAnEtcdThatWentBackEndsTheContact(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]bool{"restored": false, "made anew": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := etcdtest.Start(t)
			backup := ""
			if !lost {
				backup = server.Backup(t)
			}
			writer := server.Client(t)
			for range 10 {
				if _, err := writer.Put(t.Context(), prefix+"x", ""); err != nil {
					t.Fatal(err)
				}
			}
			metrics := prometheus.NewRegistry()
			client, err := etcdkv.Dial(etcdkv.Config{Endpoints: server.Endpoints, Metrics: etcdkv.NewMetrics(metrics)})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = client.Close() }()
			ended := make(chan error, 1)
			go func() { ended <- etcdkv.NewHealthProbe(client, prefix, slog.New(slog.DiscardHandler)).Run(t.Context()) }()
			asked(t, metrics)
			server.Restore(t, backup)
			select {
			case err := <-ended:
				if !errors.Is(err, etcdkv.ErrWentBack) {
					t.Errorf("it ended with %v", err)
				}
			case <-time.After(60 * time.Second):
				t.Fatal("it did not end")
			}
		})
	}
}
