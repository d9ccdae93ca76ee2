package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// maxFaults bounds the body of a request for faults.
const maxFaults = 4 << 10

// Faults is the body of PUT /faults: the faults from now on. It replaces the previous ones.
type Faults struct {
	Hang         bool   `json:"hang"`          // POST /config gets no answer
	WorkersStuck bool   `json:"workers_stuck"` // POST /config is accepted and no worker switches to it
	RefuseRoute  string `json:"refuse_route"`  // a configuration with a route of this name is refused
	SlowMillis   int    `json:"slow_ms"`       // each load takes this much longer
	FailNext     int    `json:"fail_next"`     // that many posts are answered with 500
}

// control lets tests of processes set faults. It listens on loopback only.
func control(address string, g *kongtest.Gateway) (*http.Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for faults: %w", err)
	}
	if ip := listener.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
		_ = listener.Close()
		return nil, errors.New("the listener for faults must be on loopback")
	}
	release := func() {}
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /faults", func(w http.ResponseWriter, r *http.Request) {
		var f Faults
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxFaults))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&f); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		release()
		release = func() {}
		if f.Hang {
			release = g.Hang()
		}
		g.WorkersStuck(f.WorkersStuck)
		g.Slow(time.Duration(f.SlowMillis) * time.Millisecond)
		g.FailNext(http.StatusInternalServerError, f.FailNext)
		g.RefuseIf(nil)
		if f.RefuseRoute != "" {
			g.RefuseRoute(f.RefuseRoute)
		}
	})
	mux.HandleFunc("GET /posts", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, g.Posts())
	})
	server := &http.Server{Handler: serial(mux), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	return server, nil
}

// serial handles one request at a time.
func serial(next http.Handler) http.Handler {
	turn := make(chan struct{}, 1)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		turn <- struct{}{}
		defer func() { <-turn }()
		next.ServeHTTP(w, r)
	})
}
