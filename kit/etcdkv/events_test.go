package etcdkv

import (
	"slices"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// A watch that resumes from a revision must have seen all that its transaction did, not its first write alone.
func TestATransactionIsCompleteWithItsLastEvent(t *testing.T) {
	var events []*clientv3.Event
	for _, e := range []struct {
		kind     mvccpb.Event_EventType
		revision int64
	}{{clientv3.EventTypePut, 7}, {clientv3.EventTypePut, 8}, {clientv3.EventTypeDelete, 8}, {clientv3.EventTypePut, 9}} {
		events = append(events, &clientv3.Event{Type: e.kind, Kv: &mvccpb.KeyValue{Key: []byte("k"), ModRevision: e.revision}})
	}
	var got []int64
	for _, e := range eventsOf(events, 9) {
		got = append(got, Revision(e.Token))
	}
	if want := []int64{7, 7, 8, 9}; !slices.Equal(got, want) {
		t.Errorf("complete up to %d, want %d", got, want)
	}
}
