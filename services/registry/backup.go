package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/silverback-gateway/silverback/kit/backup"
	"github.com/silverback-gateway/silverback/kit/build"
	"github.com/silverback-gateway/silverback/kit/election"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/registry/internal/store"
)

// A Backup is the schedule by which one of the replicas backs up the whole ledger. The zero Backup is none.
type Backup struct {
	Dir            string        // empty: no backups
	Every          time.Duration // 0 is 1h
	Keep           int           // how many; 0 is 48
	RecipientsFile string        // public keys of age; empty: not encrypted
}

// Defaults of a schedule.
const (
	DefaultBackupEvery = time.Hour
	DefaultBackupKeep  = 48
	leastBackupEvery   = time.Minute
)

// AddFlags adds the flags of a schedule.
func (b *Backup) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&b.Dir, "backup-dir", "", "folder into which one of the replicas backs up the whole ledger; empty: none")
	flags.DurationVar(&b.Every, "backup-every", DefaultBackupEvery, "how often, with --backup-dir; at least 1m")
	flags.IntVar(&b.Keep, "backup-keep", DefaultBackupKeep, "how many of these backups are kept, the newest")
	flags.StringVar(&b.RecipientsFile, "backup-recipients-file", "", "file with public keys of age (age1…), one a line, to which backups are "+
		"encrypted; empty: they are not")
}

func (b Backup) check() error {
	var problems []error
	if b.Dir == "" && b.RecipientsFile != "" {
		problems = append(problems, errors.New("--backup-recipients-file needs --backup-dir"))
	}
	if b.Every != 0 && b.Every < leastBackupEvery {
		problems = append(problems, fmt.Errorf("--backup-every %s: want %s or more", b.Every, leastBackupEvery))
	}
	if b.Keep < 0 {
		problems = append(problems, fmt.Errorf("--backup-keep %d: want 1 or more", b.Keep))
	}
	return errors.Join(problems...)
}

// loop returns what makes the backups while this replica leads their election. Replicas without a folder are no candidates.
func (b Backup) loop(replica string, d Deps) (func(context.Context) error, error) {
	metrics := backup.NewScheduleMetrics(d.Metrics)
	if b.Dir == "" {
		return func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }, nil
	}
	s := backup.Schedule{KV: d.Etcd.KV, Dir: b.Dir, Every: cmp.Or(b.Every, DefaultBackupEvery), Keep: cmp.Or(b.Keep, DefaultBackupKeep),
		Silverback: build.Version(), Log: d.Log, Metrics: metrics}
	if b.RecipientsFile != "" {
		var err error
		if s.Recipients, err = backup.Recipients(nil, []string{b.RecipientsFile}); err != nil {
			return nil, fmt.Errorf("--backup-recipients-file: %w", err)
		}
	}
	metrics.Plan(s.Every)
	return func(ctx context.Context) error {
		return election.Run(ctx, election.Config{Client: d.Etcd, Prefix: store.BackupElection, Replica: replica, Log: d.Log},
			func(ctx context.Context, _ fleet.Term, _ etcdkv.Fence) error { return s.Run(ctx) })
	}, nil
}
