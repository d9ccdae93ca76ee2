package rpc

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
)

// invoke makes a call so that a refusal is seen which came before the request was written. gRPC (1.85) then says only that attempts were
// exhausted and ended with an EOF, when the last of several was refused like that; the status that the server gave is had by asking the
// stream once more. It makes the call itself: no other interceptor is called behind it.
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
