package backup_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/silverback-gateway/silverback/kit/backup"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// scheduledIn returns the scheduled backups in a folder, by name.
func scheduledIn(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "silverback-2*.silverback"))
	must(t, err)
	return all
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); {
		if time.Now().After(end) {
			t.Fatal(what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// metric returns the value of a metric of scheduled backups.
func metric(t *testing.T, r *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := r.Gather()
	must(t, err)
	for _, f := range families {
		if f.GetName() == "silverback_registry_backup_"+name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no %s among %d", name, testutil.CollectAndCount(r))
	return 0
}

// Backups are made when they are due, encrypted, and the newest are kept. Files of others stay. A failure is told and tried again.
func TestBackupsAreMadeBySchedule(t *testing.T) {
	kv := dial(t, etcdtest.Start(t))
	put(t, kv, "identity/groups/edge", "{}")
	dir := filepath.Join(t.TempDir(), "backups")
	id, err := age.GenerateX25519Identity()
	must(t, err)
	registry := prometheus.NewRegistry()
	s := backup.Schedule{KV: kv.KV, Dir: dir, Every: 300 * time.Millisecond, Keep: 2, Recipients: []age.Recipient{id.Recipient()},
		Silverback: "test", Log: slog.New(slog.DiscardHandler), Metrics: backup.NewScheduleMetrics(registry)}
	s.Metrics.Plan(s.Every)
	run := func() (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = s.Run(ctx) }()
		return func() { cancel(); <-done }
	}
	stop := run()
	eventually(t, "a folder that is not there is no failure", func() bool { return metric(t, registry, "failure_timestamp_seconds") > 0 })
	if metric(t, registry, "timestamp_seconds") != 0 || metric(t, registry, "interval_seconds") != 0.3 {
		t.Error("a backup that failed counts")
	}
	must(t, os.Mkdir(dir, 0o700))
	others := []string{"monday.silverback", "silverback-notes.silverback", "silverback-20200101T000000.000Z.txt"}
	for _, name := range others {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	eventually(t, "no backup is made", func() bool { return len(scheduledIn(t, dir)) > 0 })
	first := scheduledIn(t, dir)[0]
	eventually(t, "old backups stay", func() bool {
		all := scheduledIn(t, dir)
		return len(all) > 0 && all[0] != first
	})
	stop()
	all := scheduledIn(t, dir)
	if len(all) > 2 || metric(t, registry, "timestamp_seconds") < float64(time.Now().Add(-time.Hour).Unix()) {
		t.Errorf("it keeps %q", all)
	}
	newest := all[len(all)-1]
	if _, err := (backup.Archive{Path: newest}).Check(); err == nil || !strings.Contains(err.Error(), "--identity") {
		t.Errorf("it is not encrypted: %v", err)
	}
	check, err := backup.Archive{Path: newest, Identities: []age.Identity{id}}.Check()
	if err != nil || check.Manifest.Prefix != prefix || len(check.Groups) != 1 {
		t.Errorf("it is %+v, %v", check, err)
	}
	for _, name := range others {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != len(others)+len(all) {
		t.Errorf("the folder holds %v", left)
	}

	// A process that starts again waits until the next one is due.
	s.Every = time.Hour
	stop = run()
	<-time.After(200 * time.Millisecond)
	stop()
	if again := scheduledIn(t, dir); len(again) != len(all) {
		t.Errorf("there are %q, and were %q", again, all)
	}
}
