package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/presence"
)

// A Restoration is a restore of a backup into an etcd.
type Restoration struct {
	KV         clientv3.KV // without the prefix of its keys, as the client of etcd has it
	Archive    Archive
	Silverback string // the version that restores
	Now        time.Time
	Replace    bool // what etcd holds may be lost
	Incomplete bool // the ledger may be one that was not whole when it was backed up
}

// Errors that refuse a restore. Nothing was written.
var (
	// ErrInUse means that replicas of the services use the ledger.
	ErrInUse = errors.New("services use this etcd")
	// ErrHolds means that etcd holds a ledger already.
	ErrHolds = errors.New("this etcd holds a ledger already")
	// ErrOther means that the restore of another backup has begun and has not ended.
	ErrOther = errors.New("the restore of another backup into this etcd has not ended")
	// ErrIncomplete means that the ledger was not whole when it was backed up.
	ErrIncomplete = errors.New("the ledger was not whole when it was backed up")
	// ErrChanged means that etcd was written to meanwhile.
	ErrChanged = errors.New("somebody wrote to this etcd meanwhile, so nothing was restored; try again")
)

// There is what an etcd holds before a restore.
type There struct {
	Keys       int     // that a backup would have; 0: it is empty
	Groups     []Group // by name, without what needs every record
	Nodes      int
	Epoch      fleet.Epoch
	Cluster    uint64
	Revision   int64 // at which it was read
	Replicas   []presence.Replica
	Unfinished *presence.Mark // of a restore that has begun
	Restored   *Origin        // what it was restored from; nil: it never was

	shift    int64
	markedAt int64 // the etcd revision of the marker; 0 without one
	keys     map[string]bool
}

// A Plan is what a restore found. It has written nothing.
type Plan struct {
	Backup Contents
	There  There
}

// Plan reads the backup to its end, and looks into etcd.
func (r Restoration) Plan(ctx context.Context) (Plan, error) {
	backup, err := r.Archive.Check()
	if err != nil {
		return Plan{}, err
	}
	there, err := r.Look(ctx)
	return Plan{Backup: backup, There: there}, err
}

// Look looks into etcd again.
func (r Restoration) Look(ctx context.Context) (There, error) {
	return look(ctx, etcdkv.WithTimeouts(r.KV))
}

// Refusal returns why a restore may not begin; nil when it may.
func (r Restoration) Refusal(p Plan) error {
	t := p.There
	_, exhausted := began(p.Backup.number(), t.number())
	switch {
	case p.Backup.unfit != nil:
		return p.Backup.unfit
	case exhausted != nil:
		return exhausted
	case len(p.Backup.Broken) > 0 && !r.Incomplete:
		return fmt.Errorf("%w: %s", ErrIncomplete, strings.Join(p.Backup.Broken, "; "))
	case len(t.Replicas) > 0:
		names := make([]string, 0, len(t.Replicas))
		for _, replica := range t.Replicas {
			names = append(names, replica.Name)
		}
		return fmt.Errorf("%w: %s", ErrInUse, strings.Join(names, ", "))
	case t.Unfinished != nil && t.Unfinished.Backup != p.Backup.ID.String() && !r.Replace:
		return fmt.Errorf("%w: backup %.12s in %q, begun at %s", ErrOther, t.Unfinished.Backup, t.Unfinished.File,
			t.Unfinished.Time.UTC().Format(time.RFC3339))
	case t.Unfinished == nil && t.Keys > 0 && !r.Replace && t.Restored != nil && t.Restored.Backup == p.Backup.ID:
		return fmt.Errorf("%w: the one of this backup, which was restored into it at %s", ErrHolds, t.Restored.Time.UTC().Format(time.RFC3339))
	case t.Unfinished == nil && t.Keys > 0 && !r.Replace:
		return ErrHolds
	}
	return nil
}

// look reads what an etcd holds.
func look(ctx context.Context, kv clientv3.KV) (There, error) {
	t := There{keys: map[string]bool{}}
	first, err := kv.Get(ctx, epochKey)
	if err != nil {
		return t, fmt.Errorf("read etcd: %w", err)
	}
	t.Revision, t.Cluster = first.Header.Revision, first.Header.ClusterId
	for _, item := range first.Kvs {
		var l life
		if l, t.Epoch, t.shift, err = lifeOf(item.Value); err != nil {
			return t, err
		}
		if text := l.Value["restored"]; text != nil {
			t.Restored = &Origin{}
			_ = json.Unmarshal(text, t.Restored) // for people only
		}
	}
	if m, at, is, err := presence.Unfinished(ctx, kv); err != nil {
		return t, err
	} else if is {
		t.Unfinished, t.markedAt = &m, at
	}
	if t.Replicas, err = presence.Replicas(ctx, kv); err != nil {
		return t, err
	}
	if err := list(ctx, kv, t.Revision, func(kv *mvccpb.KeyValue) error {
		t.keys[string(kv.Key)] = true
		return nil
	}, func(context.Context) error { return nil }); err != nil {
		return t, err
	}
	return t, t.read(ctx, kv)
}

// read reads the records that a person compares.
func (t *There) read(ctx context.Context, kv clientv3.KV) error {
	c := newChecking()
	for _, prefix := range []string{groupsPrefix, headsPrefix, assignmentsPrefix} {
		all, _, err := etcdkv.List(ctx, kv, prefix)
		if err != nil {
			return err
		}
		for _, item := range all {
			// What cannot be read is not compared.
			_ = c.take(Entry{Key: item.Key, Revision: item.ModRevision, Value: item.Value})
		}
	}
	for key := range t.keys {
		switch {
		case passes(key):
			continue
		case strings.HasPrefix(key, nodesPrefix):
			t.Nodes++
		case strings.HasPrefix(key, revisionsPrefix):
			name, _, _ := strings.Cut(strings.TrimPrefix(key, revisionsPrefix), "/")
			c.group(name).Revisions++
		}
		t.Keys++
	}
	t.Groups = c.sorted()
	return nil
}

// number is the last number that the ledger can have had when it was backed up.
func (c Contents) number() int64 { return c.Manifest.Revision + c.shift }

// number is the last number that the ledger in etcd can have.
func (t There) number() int64 { return t.Revision + t.shift }

func (c *checking) sorted() []Group {
	all := make([]Group, 0, len(c.groups))
	for _, g := range c.groups {
		all = append(all, *g)
	}
	slices.SortFunc(all, func(x, y Group) int { return strings.Compare(x.Name, y.Name) })
	return all
}
