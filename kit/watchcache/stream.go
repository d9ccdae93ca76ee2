package watchcache

import "context"

// A Stream receives the messages of a server's stream, as clients of gRPC do.
type Stream[M any] interface{ Recv() (M, error) }

// FromStream returns a source of the messages of a stream. open opens the stream from a token. event converts a message, and returns the
// zero Event for an unknown one.
func FromStream[K comparable, V, M any](open func(ctx context.Context, token string) (Stream[M], error),
	event func(M) Event[K, V]) Source[K, V] {
	return func(ctx context.Context, token string) (func() (Event[K, V], error), error) {
		stream, err := open(ctx, token)
		if err != nil {
			return nil, err
		}
		return func() (Event[K, V], error) {
			m, err := stream.Recv()
			if err != nil {
				return Event[K, V]{}, err
			}
			return event(m), nil
		}, nil
	}
}
