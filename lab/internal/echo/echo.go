// Package echo is an upstream for examples: it answers every request with what it received.
package echo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Server is the upstream.
type Server struct {
	listener net.Listener
	server   *http.Server
}

// Listen opens the listener.
func Listen(address string) (*Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for the echo upstream: %w", err)
	}
	return &Server{listener: l, server: &http.Server{Handler: http.HandlerFunc(answer), ReadHeaderTimeout: 5 * time.Second}}, nil
}

// Address returns the address of the listener.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- s.server.Serve(s.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve the echo upstream: %w", err)
	case <-ctx.Done():
	}
	_ = s.server.Close()
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the echo upstream: %w", err)
	}
	return context.Cause(ctx)
}

// Close frees the listener.
func (s *Server) Close() { _ = s.server.Close(); _ = s.listener.Close() }

func answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(map[string]string{"upstream": "silverback-lab echo", "method": r.Method, "host": r.Host, "path": r.URL.Path})
}
