package app

import (
	"context"
	"errors"
	"io"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/rpc"
)

// service is a connection to the replicas of a service, whose errors know whose they are.
type service struct {
	name      string
	addresses []string
	flags     Flags
	conn      *grpc.ClientConn
	turn      int // how often another replica was looked for
}

// Invoke implements grpc.ClientConnInterface. A replica of the distributor that etcd does not answer refuses every call at once: the others
// are asked. The other services wait for the ledger themselves, and are not asked again.
func (s *service) Invoke(ctx context.Context, method string, request, answer any, options ...grpc.CallOption) error {
	err := s.conn.Invoke(ctx, method, request, answer, options...)
	for tries := 0; s.name == distributor && tries < len(s.addresses) && fault.IsNoLedger(err) && ctx.Err() == nil; tries++ {
		if moveErr := s.elsewhere(); moveErr != nil {
			break
		}
		err = s.conn.Invoke(ctx, method, request, answer, options...)
	}
	return s.mark(err)
}

// elsewhere connects anew: to the next of the addresses, or, where one address stands for several replicas, to whichever of them answers. A
// connection that lives is kept by gRPC, however its replica answers.
func (s *service) elsewhere() error {
	conn, err := connect(s.addresses[s.turn%len(s.addresses):][:1], s.flags)
	if err != nil {
		return err
	}
	s.turn++
	_ = s.conn.Close()
	s.conn = conn
	return nil
}

// NewStream implements grpc.ClientConnInterface.
func (s *service) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, options ...grpc.CallOption) (grpc.ClientStream,
	error) {
	stream, err := s.conn.NewStream(ctx, desc, method, options...)
	if err != nil {
		return nil, s.mark(err)
	}
	return &markedStream{ClientStream: stream, service: s}, nil
}

func (s *service) mark(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return &callError{service: s, err: err}
}

// markedStream is a stream of a service.
type markedStream struct {
	grpc.ClientStream
	service *service
}

// RecvMsg implements grpc.ClientStream.
func (m *markedStream) RecvMsg(answer any) error {
	return m.service.mark(m.ClientStream.RecvMsg(answer))
}

// callError is how a call of a service failed: by its answer, or because there was none.
type callError struct {
	service *service
	err     error
}

// Error says it for people.
func (e *callError) Error() string { return rpc.Message(e.GRPCStatus()) }

// Unwrap returns gRPC's error.
func (e *callError) Unwrap() error { return e.err }

// GRPCStatus returns the status of the call.
func (e *callError) GRPCStatus() *status.Status { return status.Convert(e.err) }

// callee is the service whose call failed; nil when there was none.
func callee(err error) *service {
	var call *callError
	if errors.As(err, &call) {
		return call.service
	}
	return nil
}

// unreachable says that a call got no answer, and what to look at.
func (s *service) unreachable(reason string, f Flags) string {
	remedy := "Is it running? Its addresses are set by --" + s.name + " or " + envName(s.name) + "."
	switch {
	case strings.Contains(reason, "tls: certificate required"):
		remedy = "It wants to know who calls: give a certificate with --cert-file and --key-file."
	case strings.Contains(reason, "tls: ") || strings.Contains(reason, "x509: "):
		remedy = "Does --ca-file hold the authority that signs the services, and is the certificate of --cert-file from the one that they trust?"
	case f.CAFile == "" && strings.Contains(reason, "server preface"):
		remedy = "Does it want TLS? Give its authority with --ca-file, and a certificate with --cert-file and --key-file."
	}
	return "the " + s.name + " does not answer at " + strings.Join(s.addresses, ", ") + ": " + reason + "\n" + remedy
}
