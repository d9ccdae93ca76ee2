package etcdkv

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
)

// ErrWentBack means that etcd is not the one that the client saw before: it was restored from a backup, or created again.
var ErrWentBack = errors.New("etcd went back in time, or is another one: it was restored or created again, and the state of this process " +
	"is obsolete; restart the process")

// life is a cluster id and a revision of etcd. The zero life is unknown.
type life struct {
	cluster  uint64
	revision int64
}

// next takes the header of an answer and fails when it is older.
func (l life) next(now life) (life, error) {
	if l.cluster != 0 && now.cluster != l.cluster {
		return l, fmt.Errorf("%w (cluster %x, and %x before)", ErrWentBack, now.cluster, l.cluster)
	}
	if now.revision < l.revision {
		return l, fmt.Errorf("%w (revision %d, and %d before)", ErrWentBack, now.revision, l.revision)
	}
	return now, nil
}

// history remembers the newest revision that a client has seen, in any answer and any watch, and fails reads of an etcd that went back.
type history struct {
	mu   sync.Mutex
	seen life
}

func (l *history) get() life {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen
}

// observe records the header of an answer. Answers may arrive out of order, so an older one has no meaning.
func (l *history) observe(answer any) (now life, ok bool) {
	a, ok := answer.(interface {
		GetHeader() *etcdserverpb.ResponseHeader
	})
	if !ok || a.GetHeader().GetClusterId() == 0 {
		return life{}, false
	}
	now = life{a.GetHeader().GetClusterId(), a.GetHeader().GetRevision()}
	l.mu.Lock()
	defer l.mu.Unlock()
	if later, err := l.seen.next(now); err == nil {
		l.seen = later
	}
	return now, true
}

// unary checks reads only. Whichever member answers a read has everything that was seen before the read was sent.
func (l *history) unary(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker,
	options ...grpc.CallOption) error {
	before := l.get()
	if err := invoke(ctx, method, request, reply, conn, options...); err != nil {
		return err
	}
	now, ok := l.observe(reply)
	if r, reads := request.(*etcdserverpb.RangeRequest); ok && reads && !r.GetSerializable() {
		if _, err := before.next(now); err != nil {
			return err
		}
	}
	return nil
}

func (l *history) stream(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer,
	options ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := open(ctx, desc, conn, method, options...)
	if err != nil {
		return nil, err
	}
	return &watched{s, l}, nil
}

type watched struct {
	grpc.ClientStream
	history *history
}

// RecvMsg implements grpc.ClientStream.
func (w *watched) RecvMsg(m any) error {
	err := w.ClientStream.RecvMsg(m)
	if err == nil {
		w.history.observe(m)
	}
	return err
}
