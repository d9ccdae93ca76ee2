package rpcserver

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/fault"
)

// Large names the methods whose requests may be larger than others, and bounds their memory.
type Large struct {
	Methods []string // full names; unary
	Receive int      // bytes of one message
	// AtOnce bounds the bytes of all such messages over the ordinary limit, from before they are read until their calls are answered. It is at
	// least Receive.
	AtOnce int64
	// Timeout is how long such a message waits for the others; 0 is 10 s.
	Timeout time.Duration
}

// wire is the stream of a call below gRPC's own reading of messages, as grpc.ServerTransportStreamFromContext returns it. gRPC has one
// limit for all methods of a server, and learns a message's length only after it has decided to read it.
type wire interface {
	RecvCompress() string
	ReadMessageHeader(header []byte) error
	Read(n int) (mem.BufferSlice, error)
}

var errNoWire = status.Error(codes.Internal, "this version of gRPC does not show the stream of a call")

// plain refuses a call with compressed messages: a few bytes could expand to any number. gRPC refuses unknown compressors, but a client in
// the same process may have registered one.
func plain(ctx context.Context) error {
	w, ok := grpc.ServerTransportStreamFromContext(ctx).(wire)
	if !ok {
		return errNoWire
	}
	if c := w.RecvCompress(); c != "" && c != encoding.Identity {
		return status.Error(codes.Unimplemented, "compressed messages are not accepted; send them uncompressed")
	}
	return nil
}

// receiveWithin receives a message that must arrive completely within a time. Otherwise the call ends, and with it the reading: nobody uses
// the message afterwards.
func receiveWithin(ctx context.Context, limit time.Duration, receive func() error) error {
	done := make(chan error, 1)
	go func() { done <- receive() }()
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	case <-late.C:
		return fault.ToStatus(fault.New(fault.Invalid, "NO_REQUEST", "the request did not arrive completely within %s", limit)).Err()
	}
}

// headerBytes is the length of a message's header: whether it is compressed, and its size.
const headerBytes = 5

// pieceBytes is how much of a large message is copied at a time.
const pieceBytes = 1 << 20

// receive reads the request of a method that may be large. It reserves memory for the length that the message declares, before it reads any
// of it.
func (s *Server) receive(ctx context.Context, into any) (release func(), err error) {
	release = func() {}
	w, ok := grpc.ServerTransportStreamFromContext(ctx).(wire)
	if !ok {
		return release, errNoWire
	}
	var header [headerBytes]byte
	if err := receiveWithin(ctx, receiveTime, func() error { return w.ReadMessageHeader(header[:]) }); err != nil {
		return release, broken(err)
	}
	length := int(binary.BigEndian.Uint32(header[1:]))
	if header[0] != 0 {
		return release, status.Error(codes.Unimplemented, "compressed messages are not accepted; send them uncompressed")
	}
	if length > s.config.Large.Receive {
		return release, status.Errorf(codes.ResourceExhausted, "grpc: received message larger than max (%d vs. %d)", length,
			s.config.Large.Receive)
	}
	if length > s.config.MaxReceive {
		if release, err = s.makeRoom(ctx, int64(length)); err != nil {
			return func() {}, err
		}
	}
	text := make([]byte, length)
	err = receiveWithin(ctx, largeReceiveTime, func() error {
		for rest := text; len(rest) > 0; {
			piece, err := w.Read(min(len(rest), pieceBytes))
			if err != nil {
				return err
			}
			rest = rest[piece.CopyTo(rest):]
			piece.Free()
		}
		// One message, and then the end of the stream.
		switch err := w.ReadMessageHeader(header[:]); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		return status.Error(codes.Internal, "cardinality violation: received multiple request messages for non-client-streaming RPC")
	})
	if err != nil {
		return release, broken(err)
	}
	if err := s.codec.Unmarshal(mem.BufferSlice{mem.SliceBuffer(text)}, into); err != nil {
		return release, status.Errorf(codes.Internal, "grpc: failed to unmarshal the received message: %v", err)
	}
	return release, nil
}

// broken returns the status of a request that ended too early.
func broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return status.Error(codes.Internal, "the request ended before its message")
	}
	return err
}

// makeRoom waits until the other large messages leave enough memory for one more.
func (s *Server) makeRoom(ctx context.Context, bytes int64) (release func(), err error) {
	wait, cancel := context.WithTimeout(ctx, s.config.Large.Timeout)
	defer cancel()
	if err := s.room.Acquire(wait, bytes); err != nil {
		if ctx.Err() != nil {
			return nil, status.FromContextError(ctx.Err()).Err()
		}
		busy := fault.New(fault.Busy, "TOO_MANY_LARGE_REQUESTS", "large requests of %d bytes in total are already in progress at this replica, "+
			"and this one has %d; try again", s.config.Large.AtOnce, bytes)
		busy.RetryAfter = time.Second
		return nil, fault.ToStatus(busy).Err()
	}
	return func() { s.room.Release(bytes) }, nil
}
