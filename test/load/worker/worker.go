// Package worker runs parts of a measurement in processes of their own, so that their CPU and memory are not counted with what
// is measured. A worker is the same binary, started again with a role; it does what it is asked over its standard input and output.
package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

const roleVariable = "SILVERBACK_BENCH_ROLE"

// stopTime is how long a worker may take to stop.
const stopTime = 15 * time.Second

// Role returns the role that this process was started with; empty is none.
func Role() string { return os.Getenv(roleVariable) }

// A Method does one thing that a worker is asked.
type Method func(ctx context.Context, args json.RawMessage) (any, error)

// Do makes a method of a function.
func Do[A, R any](f func(context.Context, A) (R, error)) Method {
	return func(ctx context.Context, raw json.RawMessage) (any, error) {
		var args A
		if err := json.Unmarshal(raw, &args); err != nil {
			return nil, fmt.Errorf("read arguments: %w", err)
		}
		return f(ctx, args)
	}
}

// None is the arguments, or the answer, of a method without.
type None struct{}

type question struct {
	Method string          `json:"method"`
	Args   json.RawMessage `json:"args"`
}

type answer struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// Serve does what it is asked, one thing after the other, until in ends.
func Serve(ctx context.Context, in io.Reader, out io.Writer, methods map[string]Method) error {
	dec, enc := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var q question
		if err := dec.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read question: %w", err)
		}
		var a answer
		method, ok := methods[q.Method]
		if !ok {
			method = func(context.Context, json.RawMessage) (any, error) { return nil, fmt.Errorf("no method %q", q.Method) }
		}
		result, err := method(ctx, q.Args)
		if err == nil {
			a.Result, err = json.Marshal(result)
		}
		if err != nil {
			a = answer{Error: err.Error()}
		}
		if err := enc.Encode(a); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
	}
}

// A Worker is a started process. One call at a time.
type Worker struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

// Start starts this binary again in a role. Its standard error is this process's.
func Start(ctx context.Context, role string) (*Worker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	return &Worker{cmd: cmd, in: in, out: json.NewDecoder(out)}, nil
}

// Call asks the worker to do something and waits for it. A nil result is not read.
func (w *Worker) Call(method string, args, result any) error {
	raw, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	if err := json.NewEncoder(w.in).Encode(question{Method: method, Args: raw}); err != nil {
		return fmt.Errorf("%s: ask worker: %w", method, err)
	}
	var a answer
	if err := w.out.Decode(&a); err != nil {
		return fmt.Errorf("%s: worker does not answer: %w", method, err)
	}
	if a.Error != "" {
		return fmt.Errorf("%s: %s", method, a.Error)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(a.Result, result)
}

// Close ends the worker: kindly, then not.
func (w *Worker) Close() {
	_ = w.in.Close()
	kill := time.AfterFunc(stopTime, func() { _ = w.cmd.Process.Kill() })
	defer kill.Stop()
	_ = w.cmd.Wait()
}
