package backup

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/telemetry"
)

// A Schedule makes backups into a folder, whole ones, and keeps the newest. Only files that are named as its own are counted and removed.
type Schedule struct {
	KV         clientv3.KV
	Dir        string
	Every      time.Duration
	Keep       int
	Recipients []age.Recipient // none: not encrypted
	Silverback string
	Log        *slog.Logger
	Metrics    *ScheduleMetrics
}

// ScheduleMetrics are of the backups that this process makes.
type ScheduleMetrics struct{ interval, newest, failed prometheus.Gauge }

// NewScheduleMetrics registers the metrics. They are 0 without a schedule, and on replicas that made no backup.
func NewScheduleMetrics(r prometheus.Registerer) *ScheduleMetrics {
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "silverback_registry_backup_" + name, Help: help})
		r.MustRegister(g)
		return g
	}
	return &ScheduleMetrics{
		interval: gauge("interval_seconds", "How often the ledger is backed up by schedule; 0 is never."),
		newest:   gauge("timestamp_seconds", "When the newest scheduled backup in the folder was begun; 0 is not known here."),
		failed:   gauge("failure_timestamp_seconds", "When a scheduled backup failed last; 0 is never."),
	}
}

// Plan tells of the schedule, also where another replica makes the backups.
func (m *ScheduleMetrics) Plan(every time.Duration) { m.interval.Set(every.Seconds()) }

const (
	scheduledPrefix = "silverback-"
	scheduledSuffix = ".silverback"
	scheduledTime   = "20060102T150405.000Z"
)

// again spaces attempts after a failure.
var again = backoff.Policy{Base: 10 * time.Second, Cap: 10 * time.Minute, Jitter: 0.5}

// Run makes backups until ctx ends. The next one is due by the newest in the folder, whoever made it.
func (s Schedule) Run(ctx context.Context) error {
	failures := backoff.Backoff{Policy: again}
	for {
		wait, err := s.step(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			failures.Reset()
		} else {
			s.Metrics.failed.SetToCurrentTime()
			s.Log.Error("scheduled backup failed; trying again", "dir", s.Dir, telemetry.Err, err)
			wait = min(failures.Next(), s.Every)
		}
		if err := backoff.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// step makes a backup when one is due, removes those that are too many, and returns when the next is due.
func (s Schedule) step(ctx context.Context) (time.Duration, error) {
	all, err := s.list()
	if err != nil {
		return 0, err
	}
	var newest time.Time
	if len(all) > 0 {
		newest = all[len(all)-1].at
	}
	now := time.Now().UTC()
	if wait := newest.Add(s.Every).Sub(now); wait > 0 && !newest.After(now) {
		s.Metrics.newest.Set(float64(newest.Unix()))
		return wait, nil
	}
	path := filepath.Join(s.Dir, scheduledPrefix+now.Format(scheduledTime)+scheduledSuffix)
	taken, size, err := Save(path, func(to io.Writer) (Taken, error) {
		sealed, err := Encrypt(to, s.Recipients)
		if err != nil {
			return Taken{}, err
		}
		t, err := Take(ctx, Order{KV: s.KV, Prefix: etcdkv.Full(s.KV, ""), Silverback: s.Silverback, Now: now}, sealed)
		if err != nil {
			return t, err
		}
		return t, sealed.Close()
	})
	if err != nil {
		return 0, err
	}
	s.Metrics.newest.Set(float64(now.Unix()))
	s.Log.Info("backup made", "file", path, "bytes", size, "etcd_revision", taken.Manifest.Revision)
	for _, f := range all[:max(0, len(all)+1-s.Keep)] {
		if err := os.Remove(f.path); err != nil {
			return 0, fmt.Errorf("remove an old backup: %w", err)
		}
	}
	return s.Every, nil
}

type scheduled struct {
	path string
	at   time.Time
}

// list returns the scheduled backups in the folder, the oldest first.
func (s Schedule) list() (all []scheduled, err error) {
	files, err := os.ReadDir(s.Dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		text, is := strings.CutPrefix(f.Name(), scheduledPrefix)
		text, ends := strings.CutSuffix(text, scheduledSuffix)
		if at, err := time.Parse(scheduledTime, text); is && ends && err == nil && f.Type().IsRegular() {
			all = append(all, scheduled{filepath.Join(s.Dir, f.Name()), at})
		}
	}
	slices.SortFunc(all, func(x, y scheduled) int { return x.at.Compare(y.at) })
	return all, nil
}
