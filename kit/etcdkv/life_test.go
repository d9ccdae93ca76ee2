package etcdkv

import (
	"context"
	"errors"
	"testing"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
)

func TestALifeGoesForwardOnly(t *testing.T) {
	for _, tt := range []struct {
		name     string
		was, now life
		back     bool
	}{
		{name: "the first answer", now: life{7, 100}},
		{name: "the same again", was: life{7, 100}, now: life{7, 100}},
		{name: "further", was: life{7, 100}, now: life{7, 101}},
		{name: "a backup of before", was: life{7, 100}, now: life{7, 99}, back: true},
		{name: "another cluster, however far it is", was: life{7, 100}, now: life{8, 5000}, back: true},
	} {
		got, err := tt.was.next(tt.now)
		if errors.Is(err, ErrWentBack) != tt.back || !tt.back && got != tt.now {
			t.Errorf("%s: got %v, %v", tt.name, got, err)
		}
	}
}

func rangeAt(cluster uint64, revision int64) *etcdserverpb.RangeResponse {
	return &etcdserverpb.RangeResponse{Header: &etcdserverpb.ResponseHeader{ClusterId: cluster, Revision: revision}}
}

// read makes a read that is answered so; meanwhile happens before the answer.
func read(l *history, answer *etcdserverpb.RangeResponse, serializable bool, meanwhile func()) error {
	reply := &etcdserverpb.RangeResponse{}
	return l.unary(context.Background(), "", &etcdserverpb.RangeRequest{Serializable: serializable}, reply, nil,
		func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			meanwhile()
			reply.Header = answer.GetHeader()
			return nil
		})
}

// Only a read that was asked after the other was answered says anything, and only one that all members would answer alike.
func TestWhichReadsTellThatEtcdWentBack(t *testing.T) {
	nothing := func() {}
	l := &history{}
	l.observe(rangeAt(7, 100)) // a write, or a watch
	for _, tt := range []struct {
		name         string
		revision     int64
		serializable bool
		meanwhile    func()
		back         bool
	}{
		{name: "one that is as far", revision: 100, meanwhile: nothing},
		{name: "one that another overtook", revision: 101, meanwhile: func() { l.observe(rangeAt(7, 110)) }},
		{name: "one of a member that lags, which may", revision: 90, serializable: true, meanwhile: nothing},
		{name: "one with less than what was seen before it", revision: 109, meanwhile: nothing, back: true},
		{name: "and again, for what was seen stays", revision: 109, meanwhile: nothing, back: true},
	} {
		if err := read(l, rangeAt(7, tt.revision), tt.serializable, tt.meanwhile); errors.Is(err, ErrWentBack) != tt.back {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}
