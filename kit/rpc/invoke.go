package rpc

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
)

// invoke makes a call and returns the server's refusal even if it came before the request was written. gRPC (1.85) then reports only that
// attempts were exhausted and ended with an EOF, when the last of several was refused like that. Reading the stream once more returns the
// server's status. invoke makes the call itself: interceptors behind it do not run.
func invoke(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, _ grpc.UnaryInvoker,
	options ...grpc.CallOption) error {
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{}, method, options...)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(request); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	err = stream.RecvMsg(reply)
	if errors.Is(err, io.EOF) {
		err = stream.RecvMsg(reply)
	}
	return err
}
