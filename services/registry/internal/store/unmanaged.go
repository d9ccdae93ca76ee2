package store

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
)

const (
	// inventoryTTL is how long an inventory is kept after its last upload.
	inventoryTTL = 2 * time.Hour
	// leaseReuse is how long inventories share a lease: 10,000 nodes must not cost 10,000 leases.
	leaseReuse = time.Hour
)

// Unmanaged stores inventories and configurations of unmanaged gateways, with a TTL.
type Unmanaged struct {
	kv     clientv3.KV
	lease  clientv3.Lease
	shared sharedLease
}

// NewUnmanaged returns the store on a client, which the caller keeps.
func NewUnmanaged(client *clientv3.Client) *Unmanaged {
	return &Unmanaged{kv: etcdkv.WithTimeouts(client), lease: client}
}

// sharedLease is the lease of inventories.
type sharedLease struct {
	mu    sync.Mutex
	id    clientv3.LeaseID
	until time.Time // usable for further inventories
}

func (s *Unmanaged) inventoryLease(ctx context.Context) (clientv3.LeaseID, error) {
	s.shared.mu.Lock()
	id, valid := s.shared.id, time.Now().Before(s.shared.until)
	s.shared.mu.Unlock()
	if valid {
		return id, nil
	}
	granted, err := s.lease.Grant(ctx, int64((inventoryTTL+leaseReuse)/time.Second))
	if err != nil {
		return 0, fmt.Errorf("grant a lease for inventories: %w", err)
	}
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	s.shared.id, s.shared.until = granted.ID, time.Now().Add(leaseReuse)
	return granted.ID, nil
}

// PutInventory stores an inventory, compressed.
func (s *Unmanaged) PutInventory(ctx context.Context, digest string, zstd []byte) error {
	lease, err := s.inventoryLease(ctx)
	if err != nil {
		return err
	}
	if _, err = s.kv.Put(ctx, inventoryKey(digest), string(zstd), clientv3.WithLease(lease)); err != nil {
		s.shared.mu.Lock()
		s.shared.until = time.Time{} // etcd may have been restored from before the lease
		s.shared.mu.Unlock()
		return fmt.Errorf("store an inventory: %w", err)
	}
	return nil
}

// Inventory reads an inventory; nil means none.
func (s *Unmanaged) Inventory(ctx context.Context, digest string) ([]byte, error) {
	answer, err := s.kv.Get(ctx, inventoryKey(digest))
	if err != nil {
		return nil, fmt.Errorf("read an inventory: %w", err)
	}
	if len(answer.Kvs) == 0 {
		return nil, nil
	}
	return answer.Kvs[0].Value, nil
}

// Want registers a call that waits, under a word, for a gateway's configuration. The latest call wins. Uploads under the word are deleted
// by done, or after roster.ConfigurationTTL.
func (s *Unmanaged) Want(ctx context.Context, key roster.Key, word string) (done func(), err error) {
	granted, err := s.lease.Grant(ctx, int64(roster.ConfigurationTTL/time.Second))
	if err != nil {
		return nil, fmt.Errorf("grant a lease for a configuration: %w", err)
	}
	done = func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		_, _ = s.lease.Revoke(ctx, granted.ID) // or it expires
	}
	if _, err := s.kv.Put(ctx, wantedKey(key), word, clientv3.WithLease(granted.ID)); err != nil {
		done()
		return nil, fmt.Errorf("ask for a configuration: %w", err)
	}
	return done, nil
}

const readTimeout = 5 * time.Second

// Wanted returns the word of the call that waits for a gateway's configuration; empty means none.
func (s *Unmanaged) Wanted(ctx context.Context, key roster.Key) (string, error) {
	word, _, err := s.wanted(ctx, key)
	return word, err
}

func (s *Unmanaged) wanted(ctx context.Context, key roster.Key) (string, clientv3.LeaseID, error) {
	answer, err := s.kv.Get(ctx, wantedKey(key))
	if err != nil {
		return "", 0, fmt.Errorf("read who waits for a configuration: %w", err)
	}
	if len(answer.Kvs) == 0 {
		return "", 0, nil
	}
	return string(answer.Kvs[0].Value), clientv3.LeaseID(answer.Kvs[0].Lease), nil
}

// PutPart stores a part for the call that waits under a word; false means that none does.
func (s *Unmanaged) PutPart(ctx context.Context, key roster.Key, word string, number int32, p roster.Part) (bool, error) {
	wanted, lease, err := s.wanted(ctx, key)
	if err != nil || wanted != word {
		return false, err
	}
	text, err := json.Marshal(p)
	if err != nil {
		return false, fmt.Errorf("encode a part of a configuration: %w", err)
	}
	// The part must not outlive the wait.
	answer, err := s.kv.Txn(ctx).If(clientv3.Compare(clientv3.Value(wantedKey(key)), "=", word)).
		Then(clientv3.OpPut(partKey(word, number), string(text), clientv3.WithLease(lease))).Commit()
	if err != nil {
		return false, fmt.Errorf("store a part of a configuration: %w", err)
	}
	return answer.Succeeded, nil
}

// Part reads a part; nil means that it is not there yet.
func (s *Unmanaged) Part(ctx context.Context, word string, number int32) (*roster.Part, error) {
	answer, err := s.kv.Get(ctx, partKey(word, number))
	if err != nil {
		return nil, fmt.Errorf("read a part of a configuration: %w", err)
	}
	if len(answer.Kvs) == 0 {
		return nil, nil
	}
	var p roster.Part
	if err := json.Unmarshal(answer.Kvs[0].Value, &p); err != nil {
		return nil, fmt.Errorf("read a part of a configuration: %w", err)
	}
	return &p, nil
}
