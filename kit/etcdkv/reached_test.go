package etcdkv

import (
	"testing"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// A watch that catches up gets its events in several answers, all with the store's revision in their headers: resuming from that would skip
// the answers that did not come.
func TestReached(t *testing.T) {
	at := func(header int64, events ...int64) clientv3.WatchResponse {
		answer := clientv3.WatchResponse{Header: &etcdserverpb.ResponseHeader{Revision: header}}
		for _, modified := range events {
			answer.Events = append(answer.Events, &clientv3.Event{Kv: &mvccpb.KeyValue{ModRevision: modified}})
		}
		return answer
	}
	for _, tt := range []struct {
		name   string
		answer clientv3.WatchResponse
		want   int64
	}{
		{name: "part of the way", answer: at(900, 10, 12), want: 12},
		{name: "a progress notification", answer: at(900), want: 900},
	} {
		if got := reached(tt.answer); got != tt.want {
			t.Errorf("%s: reached %d, want %d", tt.name, got, tt.want)
		}
	}
}
