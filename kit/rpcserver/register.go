package rpcserver

import (
	"context"
	"slices"

	"google.golang.org/grpc"
)

// RegisterService adds a service. Each of its unary methods is authorized before the request is read: gRPC's own interceptors run when the
// request is in memory already. A stream's interceptors run before its first message.
func (s *Server) RegisterService(d *grpc.ServiceDesc, service any) {
	checked := *d
	checked.Methods = slices.Clone(d.Methods)
	for i := range checked.Methods {
		m := &checked.Methods[i]
		m.Handler = s.guard("/"+d.ServiceName+"/"+m.MethodName, m.Handler)
	}
	s.Server.RegisterService(&checked, service)
}

func (s *Server) guard(method string, handle grpc.MethodHandler) grpc.MethodHandler {
	large := slices.Contains(s.config.Large.Methods, method)
	return func(service any, ctx context.Context, receive func(any) error, inner grpc.UnaryServerInterceptor) (any, error) {
		info := &grpc.UnaryServerInfo{Server: service, FullMethod: method}
		return s.outer(ctx, nil, info, func(ctx context.Context, _ any) (any, error) {
			release := func() {}
			defer func() { release() }()
			read := func(into any) (err error) {
				if large {
					release, err = s.receive(ctx, into)
					return err
				}
				return receiveWithin(ctx, receiveTime, func() error { return receive(into) })
			}
			return handle(service, ctx, read, inner)
		})
	}
}

// chainUnary joins interceptors, outermost first.
func chainUnary(all []grpc.UnaryServerInterceptor) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		for _, interceptor := range slices.Backward(all) {
			next := handle
			handle = func(ctx context.Context, request any) (any, error) { return interceptor(ctx, request, info, next) }
		}
		return handle(ctx, request)
	}
}
