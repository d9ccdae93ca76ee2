package backup

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/presence"
)

const epochKey = "decided/epoch"

const (
	// listed is how many keys are read at once, and read how many values. A value has at most 1 MiB.
	listed = 1000
	read   = 16
)

// An Order is what to back up, and how.
type Order struct {
	KV         clientv3.KV
	Prefix     string // of every key, as the client of etcd has it
	Silverback string // the version that makes the backup
	Now        time.Time
	Base       *Index // nil: none
}

// ErrHalfRestored is an etcd with a half of a ledger.
var ErrHalfRestored = errors.New("this etcd holds a part of a ledger")

// An Index is the objects that a backup has, itself or by its base, and where it is.
type Index struct {
	Base
	Objects map[string][sha256.Size]byte
}

// A Taken is a backup that was made.
type Taken struct {
	Manifest Manifest
	Counts   Counts
	ID       ID
}

// Take writes a backup of everything under the prefix of an etcd, as it is at one etcd revision. Writers go on meanwhile.
func Take(ctx context.Context, o Order, to io.Writer) (Taken, error) {
	kv := etcdkv.WithTimeouts(o.KV)
	first, err := kv.Get(ctx, epochKey)
	if err != nil {
		return Taken{}, fmt.Errorf("read etcd: %w", err)
	}
	if m, _, half, err := presence.Unfinished(ctx, kv); err != nil {
		return Taken{}, fmt.Errorf("read etcd: %w", err)
	} else if half {
		return Taken{}, fmt.Errorf("%w: a restore of backup %.12s has begun and has not ended; run silverback restore again before",
			ErrHalfRestored, m.Backup)
	}
	t := Taken{Manifest: Manifest{Time: o.Now.UTC(), Silverback: o.Silverback, Cluster: first.Header.ClusterId,
		Revision: first.Header.Revision, Prefix: o.Prefix}}
	if t.Manifest.Epoch, err = epochOf(first.Kvs); err != nil {
		return t, err
	}
	if o.Base != nil {
		t.Manifest.Base = &o.Base.Base
	}
	w, err := NewWriter(to, t.Manifest)
	if err != nil {
		return t, err
	}
	s := &taking{Order: o, kv: kv, at: t.Manifest.Revision, to: w}
	if err := s.all(ctx); err != nil {
		if errors.Is(err, rpctypes.ErrCompacted) {
			err = fmt.Errorf("etcd compacted revision %d while it was read: its history (--auto-compaction-retention) must be longer than a backup "+
				"takes; try again", s.at)
		}
		return t, err
	}
	t.ID, err = w.Close()
	t.Counts = w.Counts()
	return t, err
}

// epochOf returns the epoch in the answer to a request for its key, which the distributor writes; 0 without one.
func epochOf(kvs []*mvccpb.KeyValue) (fleet.Epoch, error) {
	var record struct {
		Version int `json:"v"`
		Value   struct {
			Epoch fleet.Epoch `json:"epoch"`
		} `json:"value"`
	}
	for _, kv := range kvs {
		if err := json.Unmarshal(kv.Value, &record); err != nil || record.Version != 1 {
			return 0, fmt.Errorf("the key %s holds no epoch that this version can read", epochKey)
		}
	}
	return record.Value.Epoch, nil
}

// taking is a backup under way.
type taking struct {
	Order
	kv  clientv3.KV
	at  int64
	to  *Writer
	due []*mvccpb.KeyValue // keys, not yet written
}

func (s *taking) all(ctx context.Context) error {
	return list(ctx, s.kv, s.at, func(kv *mvccpb.KeyValue) error {
		if passes(string(kv.Key)) {
			return nil
		}
		s.due = append(s.due, kv)
		if len(s.due) < read {
			return nil
		}
		return s.write(ctx)
	}, s.write)
}

// list calls each for every key, and then last. Neither values nor leases are read: not every etcd tells the lease of a key alone.
func list(ctx context.Context, kv clientv3.KV, at int64, each func(*mvccpb.KeyValue) error, last func(context.Context) error) error {
	from := "\x00"
	for {
		answer, err := kv.Get(ctx, from, clientv3.WithFromKey(), clientv3.WithRev(at), clientv3.WithKeysOnly(), clientv3.WithLimit(listed))
		if err != nil {
			return fmt.Errorf("list the keys of etcd: %w", err)
		}
		for _, kv := range answer.Kvs {
			if err := each(kv); err != nil {
				return err
			}
			from = string(kv.Key) + "\x00"
		}
		if !answer.More {
			return last(ctx)
		}
	}
}

// write reads the values that are due, but for objects of the base, and writes them.
func (s *taking) write(ctx context.Context) error {
	var ops []clientv3.Op
	for _, kv := range s.due {
		if _, has := s.inBase(string(kv.Key)); !has {
			ops = append(ops, clientv3.OpGet(string(kv.Key), clientv3.WithRev(s.at)))
		}
	}
	var answers []*mvccpb.KeyValue
	if len(ops) > 0 {
		answer, err := s.kv.Txn(ctx).Then(ops...).Commit()
		if err != nil {
			return fmt.Errorf("read etcd: %w", err)
		}
		for _, r := range answer.Responses {
			answers = append(answers, r.GetResponseRange().GetKvs()...)
		}
		if len(answers) != len(ops) {
			return fmt.Errorf("etcd listed %d keys at revision %d, and has values for %d of them", len(ops), s.at, len(answers))
		}
	}
	for _, kv := range s.due {
		key := string(kv.Key)
		if sum, has := s.inBase(key); has {
			if err := s.to.InBase(key, sum); err != nil {
				return err
			}
			continue
		}
		add := s.to.Record
		if isObject(key) {
			add = s.to.Object
		}
		now := answers[0]
		answers = answers[1:]
		if !isKept(key, now.Lease) {
			continue
		}
		if err := add(key, now.ModRevision, now.Value); err != nil {
			return err
		}
	}
	s.due = s.due[:0]
	return nil
}

func (s *taking) inBase(key string) (sum [sha256.Size]byte, has bool) {
	if s.Base == nil || !isObject(key) {
		return sum, false
	}
	sum, has = s.Base.Objects[key]
	return sum, has
}
