package agent_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/controlplanetest"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	"github.com/silverback-gateway/silverback/testkit/port"
	"github.com/silverback-gateway/silverback/testkit/process"
)

// child is a process that can be killed and started again.
type child struct {
	t    *testing.T
	name string
	path string
	args []string
	env  []string
	wrap func(*exec.Cmd)
	life *process.Process // nil when it was ended
	out  lockedBuffer
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (c *child) start() {
	c.t.Helper()
	life, err := process.Start(process.Command{
		Name: c.name, Path: c.path, Args: c.args, Env: append(os.Environ(), c.env...), Output: &c.out, Change: c.wrap,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.life = life
}

// kill is kill -9, and returns when the process is gone.
func (c *child) kill() {
	if c.life != nil {
		c.life.Kill()
		c.life = nil
	}
}

func newChild(t *testing.T, name, path string, args ...string) *child {
	c := &child{t: t, name: name, path: path, args: args}
	t.Cleanup(func() {
		c.kill()
		if t.Failed() {
			text := c.out.String()
			t.Logf("---- %s ----\n%s", name, text[max(0, len(text)-6000):])
		}
	})
	return c
}

// counter is a proxy before an Admin API. It counts posts by the MD5 of their body, which is the gateway's hash.
type counter struct {
	*httptest.Server
	mu    sync.Mutex
	posts map[string]int
	body  map[string][]byte
}

func newCounter(t *testing.T, admin string) *counter {
	t.Helper()
	to, err := url.Parse(admin)
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{posts: map[string]int{}, body: map[string][]byte{}}
	through := httputil.NewSingleHostReverseProxy(to)
	through.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/config" {
			text, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(text))
			sum := md5.Sum(text)
			c.mu.Lock()
			c.posts[hex.EncodeToString(sum[:])]++
			c.body[hex.EncodeToString(sum[:])] = text
			c.mu.Unlock()
		}
		through.ServeHTTP(w, r)
	}))
	t.Cleanup(c.Close)
	return c
}

// holding counts the posts of bodies that hold a text.
func (c *counter) holding(text string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for sum, body := range c.body {
		if bytes.Contains(body, []byte(text)) {
			n += c.posts[sum]
		}
	}
	return n
}

// pair is an agent process beside a gateway process.
type pair struct {
	*node
	gateway, sidecar *child
	admin            *counter
	proxy            string
	status           string // of the gateway
	points           string // folder of failpoints
}

// newPair starts both, and waits until the agent follows.
func newPair(t *testing.T, agentBinary, kongBinary string, flags ...string) *pair {
	t.Helper()
	p := newStoppedPair(t, agentBinary, kongBinary, flags...)
	p.sidecar.start()
	p.hello()
	return p
}

// newStoppedPair starts the gateway only, with a prefix and a boot file that holds nothing yet.
func newStoppedPair(t *testing.T, agentBinary, kongBinary string, flags ...string) *pair {
	t.Helper()
	dir := t.TempDir()
	proxy, admin, status := port.Address(t), port.Address(t), port.Address(t)
	boot, prefix, points := filepath.Join(dir, "kong.json"), filepath.Join(dir, "prefix"), filepath.Join(dir, "points")
	for _, folder := range []string{prefix, points} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(boot, []byte("{\"_format_version\":\"3.0\"}\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	p := &pair{
		node: &node{t: t, controlPlane: controlplanetest.Start(t, port.Address(t))}, admin: newCounter(t, "http://"+admin), proxy: "http://" +
			proxy,
		status: "http://" + status, points: points,
	}
	p.config.StateDir, p.config.BootFile = filepath.Join(dir, "state"), boot
	p.config.HTTP.Listen = port.Address(t)
	p.gateway = newChild(t, "gateway", kongBinary, "-proxy="+proxy, "-admin="+admin, "-status="+status, "-workers=2", "-declarative-config="+
		boot, "-prefix="+prefix)
	p.sidecar = newChild(t, "agent", agentBinary, append([]string{
		"--group=default", "--node=n1", "--registry=" + p.controlPlane.Address(), "--distributor=" + p.controlPlane.Address(), "--kong-admin=" +
			p.admin.URL,
		"--kong-proxy=http://" + proxy, "--kong-status=http://" + status, "--state-dir=" + p.config.StateDir, "--boot-file=" + boot,
		"--http-listen=" + p.config.HTTP.Listen, "--proof-timeout=3s", "--load-gap=1ms", "--drift-interval=1h",
	}, flags...)...)
	p.sidecar.env = []string{"SILVERBACK_FAILPOINTS=" + points}
	p.gateway.start()
	p.answers()
	return p
}

func (p *pair) answers() {
	p.t.Helper()
	p.eventually("the gateway answers", func() bool {
		return status(p.status+"/status") == http.StatusOK && p.route("/") != 0
	})
}

// route is the status of the proxy for a path; 0 without an answer.
func (p *pair) route(path string) int { return status(p.proxy + path) }

// ask sends a directive with the whole snapshot.
func (p *pair) ask(i int, to *snapshot.Snapshot) { p.direct(int64(i), int64(10*i), nil, to) }

// answer waits for the final outcome of the directive sent last.
func (p *pair) answer() *distributorv1.Outcome {
	p.t.Helper()
	for {
		o := p.outcomeOfProcess()
		if o.GetNonce() == p.nonce && o.GetFailure() == nil {
			return o
		}
	}
}

// arm makes the agent stop at a step. Reached waits for that.
func (p *pair) arm(step string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.points, step), nil, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pair) reached(step string) {
	p.t.Helper()
	p.eventually("the agent reaches "+step, func() bool {
		return os.Remove(filepath.Join(p.points, step+".reached")) == nil
	})
}

func (p *pair) release(step string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.points, step+".go"), nil, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// watchRoute fails the test when the proxy answers a path with anything but 200. A missing answer is ignored.
func (p *pair) watchRoute(path string) (stop func() (served int)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int)
	go func() {
		served := 0
		tick := time.NewTicker(3 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				done <- served
				return
			case <-tick.C:
			}
			switch code := p.route(path); code {
			case http.StatusOK:
				served++
			case 0:
			default:
				p.t.Errorf("the gateway answers %s with %d: it is empty", path, code)
				cancel()
			}
		}
	}()
	return sync.OnceValue(func() int { cancel(); return <-done })
}

// unknownPlugin is a configuration that every gateway refuses.
func unknownPlugin(t *testing.T, name string) *snapshot.Snapshot {
	t.Helper()
	s, err := snapshot.Seal([]snapshot.Entity{
		{Kind: "routes", ID: "00000000-0000-4000-8000-000000000001", Key: "base",
			JSON: []byte(`{"id":"00000000-0000-4000-8000-000000000001","name":"base","paths":["/base"]}`)},
		{Kind: "plugins", ID: "00000000-0000-4000-9000-000000000001", Key: name,
			JSON: fmt.Appendf(nil, `{"id":"00000000-0000-4000-9000-000000000001","name":%q}`, name)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestKillAtEveryStep kills the agent, the gateway, or both at each step of a load, of a good and of a refused configuration. The
// gateway serves the old or the new one at all times, also when it is started again with the agent dead; and once both are
// back, the agent comes to what the group wants.
func TestKillAtEveryStep(t *testing.T) {
	agentBinary, kongBinary := build(t, agentPackage, "-tags=failpoints"), build(t, kongPackage)
	good := []string{
		"before-remember", "before-write", "store-before-write", "before-post", "before-proof", "before-save", "store-after-link",
		"store-before-rename",
		"store-after-rename", "before-boot-file", "before-answer",
	}
	bad := []string{"before-write", "before-post", "after-refusal", "before-answer"}
	for _, victim := range []string{"agent", "gateway", "both"} {
		t.Run(victim, func(t *testing.T) {
			p := newPair(t, agentBinary, kongBinary)
			i := 1
			p.ask(i, controlplanetest.Routes(t, "base"))
			p.answer()
			stop := p.watchRoute("/base")
			defer stop()
			strike := func(step string) {
				p.reached(step)
				if victim != "gateway" {
					p.sidecar.kill()
				}
				if victim != "agent" {
					p.gateway.kill()
					p.gateway.start()
					p.answers()
				}
				if code := p.route("/base"); code != http.StatusOK {
					t.Fatalf("killed %s %s: /base answers %d", victim, step, code)
				}
				if victim == "gateway" {
					p.release(step)
					return
				}
				// Only the gateway runs.
				p.gateway.kill()
				p.gateway.start()
				p.answers()
				if code := p.route("/base"); code != http.StatusOK {
					t.Fatalf("killed %s %s: alone /base answers %d", victim, step, code)
				}
				p.sidecar.start()
				p.hello()
			}
			for _, step := range good {
				i++
				name := fmt.Sprintf("good-%d", i)
				to := controlplanetest.Routes(t, "base", name)
				p.arm(step)
				p.ask(i, to)
				strike(step)
				if victim != "gateway" {
					p.ask(i, to) // as a distributor does after a hello
				}
				if o := p.answer(); o.GetAck() == nil {
					t.Fatalf("%s: outcome %v", step, o)
				}
				if p.route("/"+name) != http.StatusOK {
					t.Errorf("%s: acked and not served", step)
				}
				if text, err := os.ReadFile(p.config.BootFile); err != nil || !bytes.Contains(text, []byte(name)) {
					t.Errorf("%s: acked, and the boot file is another: %v", step, err)
				}
			}
			for _, step := range bad {
				i++
				name := fmt.Sprintf("bad-%d", i)
				to := unknownPlugin(t, name)
				p.arm(step)
				p.ask(i, to)
				strike(step)
				if victim != "gateway" {
					p.ask(i, to)
				}
				if o := p.answer(); o.GetNack() == nil {
					t.Fatalf("%s: outcome %v", step, o)
				}
				p.ask(i, to) // again, as after one more hello
				if o := p.answer(); o.GetNack() == nil {
					t.Fatalf("%s: outcome %v", step, o)
				}
				// An agent that ends between the answer and the write does not know the answer.
				want := 1
				if step == "after-refusal" && victim != "gateway" {
					want = 2
				}
				if n := p.admin.holding(name); n != want {
					t.Errorf("%s: what was refused was posted %d times, want %d", step, n, want)
				}
			}
			if served := stop(); served == 0 {
				t.Error("nobody was asked")
			} else {
				t.Logf("%d requests, each answered from a configuration that was loaded", served)
			}
		})
	}
}

// The binary that is shipped has no failpoints.
func TestFailpointsAreInTestBinariesOnly(t *testing.T) {
	for tags, want := range map[string]bool{"": false, "-tags=failpoints": true} {
		var flags []string
		if tags != "" {
			flags = append(flags, tags)
		}
		text, err := os.ReadFile(build(t, agentPackage, flags...))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(text), "SILVERBACK_FAILPOINTS"); got != want {
			t.Errorf("built with %q: failpoints %v", tags, got)
		}
	}
}
