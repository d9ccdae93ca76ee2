// Package rawtcp is the peer of every fan-out: the same number of bytes written to as many sockets, with nothing around
// them. It is the least that any sender can cost.
package rawtcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/silverback-gateway/silverback/test/load/process"
	"github.com/silverback-gateway/silverback/test/load/worker"
)

// Role is the role of the worker that receives.
const Role = "rawtcp"

// writers is how many goroutines write. Small writes never wait, so that more would only cost; large ones wait for their reader.
const writers = 64

const patience = 2 * time.Minute

// Shape is what goes over each socket.
type Shape struct {
	Sockets int
	Bytes   int // from the sender
	Answer  int // bytes that come back
}

// A Result is what a sending cost.
type Result struct {
	Time time.Duration // until the last byte was received
	CPU  time.Duration // of the sender
}

// A Sender has as many sockets open as it was made with.
type Sender struct {
	worker *worker.Worker
	conns  []net.Conn
}

// NewSender starts a receiver and connects to it.
func NewSender(ctx context.Context, sockets int) (_ *Sender, err error) {
	s := &Sender{}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.worker, err = worker.Start(ctx, Role); err != nil {
		return nil, err
	}
	var address string
	if err = s.worker.Call("listen", sockets, &address); err != nil {
		return nil, err
	}
	var dialer net.Dialer
	for range sockets {
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, fmt.Errorf("connect to the receiver: %w", err)
		}
		s.conns = append(s.conns, conn)
	}
	return s, s.worker.Call("accepted", worker.None{}, nil)
}

// Close closes the sockets and ends the receiver.
func (s *Sender) Close() {
	for _, c := range s.conns {
		_ = c.Close()
	}
	if s.worker != nil {
		s.worker.Close()
	}
}

// Send sends once over every socket.
func (s *Sender) Send(bytes, answer int) (Result, error) {
	shape := Shape{Sockets: len(s.conns), Bytes: bytes, Answer: answer}
	if err := s.worker.Call("expect", shape, nil); err != nil {
		return Result{}, err
	}
	payload := make([]byte, bytes)
	cpu, err := process.SelfCPU()
	if err != nil {
		return Result{}, err
	}
	began := time.Now()
	err = s.each(func(c net.Conn) error { _, err := c.Write(payload); return err })
	if answer > 0 && err == nil {
		err = s.each(func(c net.Conn) error { _, err := io.CopyN(io.Discard, c, int64(answer)); return err })
	}
	var last int64
	if waited := s.worker.Call("await", worker.None{}, &last); err != nil || waited != nil {
		return Result{}, errors.Join(err, waited)
	}
	after, err := process.SelfCPU()
	return Result{Time: time.Unix(0, last).Sub(began), CPU: after - cpu}, err
}

func (s *Sender) each(do func(net.Conn) error) error {
	var group sync.WaitGroup
	var next atomic.Int64
	errs := make([]error, writers)
	for w := range writers {
		group.Go(func() {
			for errs[w] == nil {
				i := int(next.Add(1)) - 1
				if i >= len(s.conns) {
					return
				}
				errs[w] = do(s.conns[i])
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// Serve is the receiver.
func Serve(_ context.Context, serve func(map[string]worker.Method) error) error {
	r := &receiver{accepted: make(chan error, 1)}
	defer r.close()
	return serve(map[string]worker.Method{
		"listen":   worker.Do(r.listen),
		"accepted": worker.Do(func(context.Context, worker.None) (worker.None, error) { return worker.None{}, <-r.accepted }),
		"expect":   worker.Do(r.expect),
		"await":    worker.Do(r.await),
	})
}

type receiver struct {
	listener net.Listener
	accepted chan error // capacity 1: told once
	conns    []net.Conn
	results  chan error // one for each socket
	last     atomic.Int64
}

func (r *receiver) close() {
	if r.listener != nil {
		_ = r.listener.Close()
	}
	for _, c := range r.conns {
		_ = c.Close()
	}
}

func (r *receiver) listen(_ context.Context, sockets int) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	r.listener = l
	go func() {
		for range sockets {
			c, err := l.Accept()
			if err != nil {
				r.accepted <- err
				return
			}
			r.conns = append(r.conns, c)
		}
		r.accepted <- nil
	}()
	return l.Addr().String(), nil
}

func (r *receiver) expect(_ context.Context, s Shape) (worker.None, error) {
	r.results = make(chan error, len(r.conns)) // one each, so that nobody waits
	r.last.Store(0)
	answer := make([]byte, s.Answer)
	for _, c := range r.conns {
		go func() {
			_, err := io.CopyN(io.Discard, c, int64(s.Bytes))
			now := time.Now().UnixNano()
			for old := r.last.Load(); now > old && !r.last.CompareAndSwap(old, now); old = r.last.Load() {
			}
			if err == nil && s.Answer > 0 {
				_, err = c.Write(answer)
			}
			r.results <- err
		}()
	}
	return worker.None{}, nil
}

func (r *receiver) await(context.Context, worker.None) (int64, error) {
	deadline := time.After(patience)
	for range r.conns {
		select {
		case err := <-r.results:
			if err != nil {
				return 0, err
			}
		case <-deadline:
			return 0, errors.New("not everything was received in time")
		}
	}
	return r.last.Load(), nil
}
