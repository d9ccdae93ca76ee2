package rpcserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"buf.build/go/protovalidate"
	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/silverback-gateway/silverback/kit/fault"
)

// chain has the interceptors of a server, outermost first: for a unary call those before and after its request is read.
type chain struct {
	before []grpc.UnaryServerInterceptor
	unary  []grpc.UnaryServerInterceptor
	stream []grpc.StreamServerInterceptor
}

// newChain puts metrics, logging, authorization, the count of calls, validation, fault mapping and recovery in their order. Recovery is
// last, so that the others see a panic as an error.
func newChain(d Deps, access Access, admission *admission) (*chain, error) {
	validator, err := protovalidate.New()
	if err != nil {
		return nil, fmt.Errorf("prepare validation: %w", err)
	}
	metrics := grpcprom.NewServerMetrics(grpcprom.WithServerHandlingTimeHistogram())
	if d.Metrics != nil {
		d.Metrics.MustRegister(metrics)
	}
	logger := logging.LoggerFunc(func(ctx context.Context, level logging.Level, message string, fields ...any) {
		d.Log.Log(ctx, slog.Level(level), message, fields...) //nolint:sloglint // the middleware has one message for each event
	})
	logs := []logging.Option{logging.WithLogOnEvents(logging.FinishCall), logging.WithLevels(levelOf),
		logging.WithDisableLoggingFields("grpc.component", "grpc.method_type", "grpc.start_time", "protocol")}
	authorize := func(ctx context.Context) (context.Context, error) {
		if access == nil {
			return ctx, nil
		}
		method, _ := grpc.Method(ctx)
		ctx, err := access.Call(ctx, method)
		if err != nil {
			return nil, fault.ToStatus(err).Err()
		}
		return ctx, nil
	}
	recovered := recovery.WithRecoveryHandlerContext(func(ctx context.Context, p any) error {
		method, _ := grpc.Method(ctx)
		// The panic's text may hold a part of the request, so only its type and place are logged.
		d.Log.Error("panic", "method", method, "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
		return errPanic
	})
	return &chain{
		before: []grpc.UnaryServerInterceptor{
			metrics.UnaryServerInterceptor(), logging.UnaryServerInterceptor(logger, logs...), auth.UnaryServerInterceptor(authorize),
			countUnary(admission),
		},
		unary: []grpc.UnaryServerInterceptor{
			checkUnary(access, validator), logMutations(d.Log), mapUnary(d.Log), recovery.UnaryServerInterceptor(recovered),
		},
		stream: []grpc.StreamServerInterceptor{
			metrics.StreamServerInterceptor(), logging.StreamServerInterceptor(logger, logs...), auth.StreamServerInterceptor(authorize),
			countStream(admission),
			checkStream(access, validator), mapStream(d.Log), recovery.StreamServerInterceptor(recovered),
		},
	}, nil
}

// errPanic stands for a panic, which is logged where it happened.
var errPanic = fault.New(fault.Internal, "PANIC", "panic")

// levelOf returns the level for a failed call: above debug only for our own faults. A replica that cannot answer tells its callers at every
// try, and the component that waits logs the reason once.
func levelOf(code codes.Code) logging.Level {
	switch code {
	case codes.OK, codes.Canceled, codes.NotFound, codes.AlreadyExists, codes.InvalidArgument, codes.Aborted, codes.FailedPrecondition,
		codes.Unavailable:
		return logging.LevelDebug
	case codes.Internal, codes.Unknown, codes.DataLoss:
		return logging.LevelError
	default:
		return logging.LevelInfo
	}
}

// countUnary refuses a call over the limit, or a compressed one, before its request is read.
func countUnary(d *admission) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		leave, err := count(ctx, d)
		if err != nil {
			return nil, err
		}
		defer leave()
		return handle(ctx, request)
	}
}

// countStream does the same for a stream, before its first message.
func countStream(d *admission) grpc.StreamServerInterceptor {
	return func(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		leave, err := count(stream.Context(), d)
		if err != nil {
			return err
		}
		defer leave()
		return handle(service, stream)
	}
}

func count(ctx context.Context, d *admission) (leave func(), err error) {
	if err := plain(ctx); err != nil {
		return nil, err
	}
	leave, err = d.enter(ctx)
	if err != nil {
		return nil, fault.ToStatus(err).Err()
	}
	return leave, nil
}

func checkUnary(access Access, v protovalidate.Validator) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		if err := check(ctx, access, v, request); err != nil {
			return nil, err
		}
		return handle(ctx, request)
	}
}

func checkStream(access Access, v protovalidate.Validator) grpc.StreamServerInterceptor {
	return func(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		return handle(service, &checkedStream{ServerStream: stream, access: access, validator: v, hurry: !info.IsClientStream})
	}
}

type checkedStream struct {
	grpc.ServerStream
	access    Access
	validator protovalidate.Validator
	hurry     bool // the client sends one message, and then only receives
}

// RecvMsg receives and checks a message.
func (s *checkedStream) RecvMsg(m any) error {
	receive := func() error { return s.ServerStream.RecvMsg(m) }
	if s.hurry {
		whole := receive
		receive = func() error { return receiveWithin(s.Context(), receiveTime, whole) }
	}
	if err := receive(); err != nil {
		return err
	}
	return check(s.Context(), s.access, s.validator, m)
}

// check checks whether a caller may send a message, then whether it is valid.
func check(ctx context.Context, access Access, v protovalidate.Validator, m any) error {
	if access != nil {
		if err := access.Message(ctx, m); err != nil {
			return fault.ToStatus(err).Err()
		}
	}
	return validate(v, m)
}

// validate returns violated field rules as BadRequest violations.
func validate(v protovalidate.Validator, m any) error {
	message, ok := m.(proto.Message)
	if !ok {
		return nil
	}
	err := v.Validate(message)
	var broken *protovalidate.ValidationError
	if errors.As(err, &broken) {
		var violations []fault.Violation
		for _, violation := range broken.Violations {
			violations = append(violations, fault.Violation{
				Field: protovalidate.FieldPathString(violation.Proto.GetField()), Description: violation.Proto.GetMessage(),
			})
		}
		return fault.ToStatus(fault.InvalidFields(violations...)).Err()
	}
	if err != nil {
		return fault.ToStatus(err).Err()
	}
	return nil
}

func mapUnary(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		began := time.Now()
		answer, err := handle(ctx, request)
		if err == nil {
			return answer, nil
		}
		s := toStatus(log, info.FullMethod, err)
		if final(s, time.Since(began)) {
			_ = grpc.SetTrailer(ctx, noRetry) // fails when the call has ended already
		}
		return answer, s.Err()
	}
}

func mapStream(log *slog.Logger) grpc.StreamServerInterceptor {
	return func(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		began := time.Now()
		err := handle(service, stream)
		if err == nil {
			return nil
		}
		s := toStatus(log, info.FullMethod, err)
		if final(s, time.Since(began)) {
			stream.SetTrailer(noRetry)
		}
		return s.Err()
	}
}

// toStatus maps an error. It logs errors whose text is withheld from the caller.
func toStatus(log *slog.Logger, method string, err error) *status.Status {
	s := fault.ToStatus(err)
	if s.Code() == codes.Internal && !errors.Is(err, errPanic) {
		log.Error("call failed", "method", method, "error", err)
	}
	return s
}
