package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"google.golang.org/grpc"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/rpc"
)

// replicas is a connection to the replicas of a service. Its errors are of type *Error.
type replicas struct {
	service   string
	addresses []string
	tls       TLS
	conn      *grpc.ClientConn // nil with err
	err       error            // why no call is possible
}

func newReplicas(service string, addresses []string, tls TLS) *replicas {
	r := &replicas{service: service, addresses: addresses, tls: tls}
	if len(addresses) == 0 {
		r.err = fmt.Errorf("no address of the %s is given", service)
		return r
	}
	for _, address := range addresses {
		if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
			r.err = fmt.Errorf("%s %q: want host:port", service, address)
			return r
		}
	}
	var err error
	if r.conn, err = rpc.Dial(rpc.ClientConfig{Addresses: addresses, MaxReceive: maxReceive, TLS: rpc.ClientTLS(tls)}); err != nil {
		r.err = fmt.Errorf("connect to the %s: %w", service, err)
	}
	return r
}

// apart calls use with a separate connection to one replica, because gRPC keeps a healthy connection whatever the replica answers. turn
// selects the address. When one address stands for several replicas, gRPC picks one at random.
func (r *replicas) apart(turn int, use func(*replicas) error) error {
	one := newReplicas(r.service, r.addresses[turn%len(r.addresses):][:1], r.tls)
	if one.err != nil {
		return r.mark(one.err)
	}
	defer func() { _ = one.conn.Close() }()
	return use(one)
}

// Invoke implements grpc.ClientConnInterface. A distributor replica without etcd refuses every call at once, so the call is sent to the
// other replicas. The other services wait for etcd themselves, so their calls are not repeated.
func (r *replicas) Invoke(ctx context.Context, method string, request, response any, options ...grpc.CallOption) error {
	if r.err != nil {
		return r.mark(r.err)
	}
	err := r.conn.Invoke(ctx, method, request, response, options...)
	for turn := 0; r.service == Distributor && turn < len(r.addresses) && fault.IsNoLedger(err) && ctx.Err() == nil; turn++ {
		err = r.apart(turn, func(one *replicas) error { return one.conn.Invoke(ctx, method, request, response, options...) })
	}
	return r.mark(err)
}

// NewStream implements grpc.ClientConnInterface.
func (r *replicas) NewStream(
	ctx context.Context, desc *grpc.StreamDesc, method string, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	if r.err != nil {
		return nil, r.mark(r.err)
	}
	stream, err := r.conn.NewStream(ctx, desc, method, options...)
	if err != nil {
		return nil, r.mark(err)
	}
	return &markedStream{ClientStream: stream, replicas: r}, nil
}

// mark turns the error of a call into an *Error.
func (r *replicas) mark(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return newError(r.service, err)
}

// markedStream is a stream whose errors are of type *Error.
type markedStream struct {
	grpc.ClientStream
	replicas *replicas
}

// RecvMsg implements grpc.ClientStream.
func (s *markedStream) RecvMsg(response any) error {
	return s.replicas.mark(s.ClientStream.RecvMsg(response))
}
