// Package process builds and runs Silverback's own binaries, and reads what they cost from the kernel.
package process

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/silverback-gateway/silverback/testkit/process"
)

const (
	module    = "github.com/silverback-gateway/silverback/"
	readyTime = 30 * time.Second
	stopTime  = 15 * time.Second
	pollTime  = 5 * time.Millisecond
)

// Build builds binaries as they are shipped into a folder, named after the last part of their package's path, such as
// services/registry/cmd/registry.
func Build(ctx context.Context, dir string, packages ...string) error {
	args := []string{"build", "-buildvcs=false", "-trimpath", "-tags", "grpcnotrace", "-o", dir + string(filepath.Separator)}
	for _, p := range packages {
		args = append(args, module+p)
	}
	out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// FreeAddress finds a loopback address that nobody listens on. Another process may take it first, which shows at the start.
func FreeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// A Process is a running binary.
type Process struct {
	Name string
	HTTP string // host:port of /metrics and /readyz
	life *process.Process
	log  string
}

// Start starts a binary whose output goes to a file beside it.
func Start(ctx context.Context, binary, name, httpAddress string, args ...string) (*Process, error) {
	return StartIn(ctx, nil, binary, name, httpAddress, args...)
}

// StartIn is Start with more environment variables.
func StartIn(ctx context.Context, env []string, binary, name, httpAddress string, args ...string) (*Process, error) {
	p := &Process{Name: name, HTTP: httpAddress, log: filepath.Join(filepath.Dir(binary), name+".log")}
	if err := os.RemoveAll(p.log); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	life, err := process.Start(process.Command{Name: name, Path: binary, Args: args, Env: append(os.Environ(), env...), Log: p.log})
	if err != nil {
		return nil, err
	}
	p.life = life
	context.AfterFunc(ctx, life.Kill)
	return p, nil
}

// Until asks again and again until ok says yes. It fails when the process ends or too much time passes.
func (p *Process) Until(ctx context.Context, what string, ok func() bool) error {
	tick := time.NewTicker(pollTime)
	defer tick.Stop()
	deadline := time.After(readyTime)
	for !ok() {
		select {
		case <-tick.C:
		case <-p.life.Done():
			return fmt.Errorf("%s ended before it was %s:\n%s", p.Name, what, p.Tail())
		case <-deadline:
			return fmt.Errorf("%s was not %s in %s:\n%s", p.Name, what, readyTime, p.Tail())
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Ready waits until /readyz says yes.
func (p *Process) Ready(ctx context.Context) error {
	return p.Until(ctx, "ready", func() bool {
		code, _, err := p.Get(ctx, "/readyz")
		return err == nil && code == http.StatusOK
	})
}

// Get reads a page of the HTTP listener.
func (p *Process) Get(ctx context.Context, path string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.HTTP+path, nil)
	if err != nil {
		return 0, nil, err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("ask %s: %w", p.Name, err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, body, err
}

// Metric reads a metric without labels; 0 when it is not there.
func (p *Process) Metric(ctx context.Context, name string) (float64, error) {
	_, body, err := p.Get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(body)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, nil
}

// Collect makes the process collect its garbage.
func (p *Process) Collect(ctx context.Context) error {
	_, _, err := p.Get(ctx, "/debug/pprof/heap?gc=1")
	return err
}

// CPU is the time that the process has spent on processors so far, in user and kernel mode.
func (p *Process) CPU() (time.Duration, error) { return cpuOf(p.life.PID()) }

// SelfCPU is the CPU time of this process.
func SelfCPU() (time.Duration, error) { return cpuOf(os.Getpid()) }

// RSS is the resident memory in bytes, now and at its peak.
func (p *Process) RSS() (now, peak float64, err error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", p.life.PID()))
	if err != nil {
		return 0, 0, fmt.Errorf("read memory of %s: %w", p.Name, err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 || fields[0] != "VmRSS:" && fields[0] != "VmHWM:" {
			continue
		}
		kb, err := strconv.ParseFloat(fields[1], 64)
		if err != nil {
			return 0, 0, fmt.Errorf("read memory of %s: %w", p.Name, err)
		}
		if fields[0] == "VmRSS:" {
			now = kb * 1024
		} else {
			peak = kb * 1024
		}
	}
	return now, peak, lines.Err()
}

// ResetPeak makes the present memory the peak.
func (p *Process) ResetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.life.PID()), []byte("5"), 0)
}

// Signal sends a signal without waiting for what comes of it.
func (p *Process) Signal(s syscall.Signal) error { return p.life.Signal(s) }

// Stop ends the process: kindly, then not.
func (p *Process) Stop() {
	if p == nil {
		return
	}
	_ = p.life.Stop(stopTime) // what does not stop is killed
}

// Tail is the end of what the process wrote.
func (p *Process) Tail() string {
	const most = 2000
	text := process.Log(p.log)
	return text[max(0, len(text)-most):]
}
