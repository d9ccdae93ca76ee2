// Package stand runs an API server of Kubernetes, a fleet of gateways and the controller silverback-kubernetes as processes of one machine,
// for labs, demonstrations and suites. There are no nodes and no pods.
package stand

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/sources/kubernetes/testkit/apiserver"
	"github.com/silverback-gateway/silverback/sources/kubernetes/testkit/standin"
	"github.com/silverback-gateway/silverback/testkit/process"
)

const (
	patience = 5 * time.Minute // for what announces itself by no event
	stopTime = 20 * time.Second
	askEvery = 100 * time.Millisecond

	apiServer = "127.0.0.1:7490" // beside the ports of silverback-lab and the controller
	host      = "127.0.0.1"
)

// Group is the group that the gateways belong to.
const Group = "default"

// EchoPort is where the upstream of silverback-lab listens on loopback. It is no Pod.
const EchoPort = 7480

// The ports of gateway n, from 1, are those of silverback-lab.
const (
	proxyPort  = 7600
	adminPort  = 7700
	statusPort = 7800
)

// Config says what runs.
type Config struct {
	Bin      string   // folder of the binaries
	Dir      string   // for data, logs and the kubeconfig
	Gateways int      // simulated gateways, when Kongs has none
	Kongs    []string // gateways that run already, as silverback-lab takes them: admin=URL,proxy=URL,status=URL
	Port     int      // of the proxy of a single simulated gateway, at every address; 0: the lab's ports on loopback
	Secure   int      // its port for TLS, beside Port; 0: none
	Flavor   string   // router flavor of simulated gateways; empty: as they have it
	Flags    []string // further flags of the controller
	Base     string   // manifests that are applied before the controller starts
}

// A Stand is everything that runs. Its methods may not be called at once, but for Kubectl and Silverback.
type Stand struct {
	API        *apiserver.Server
	Controller *process.Process
	Gateways   []*Gateway

	config     Config
	lab        *process.Process
	background context.CancelFunc
}

// Gateway is a simulated gateway with a process of its own, or one that ran already.
type Gateway struct {
	Name, Proxy, Admin string           // Proxy and Admin are URLs; Admin is empty for one that ran already
	Life               *process.Process // nil for one that ran already

	args []string
}

// New makes a stand; nothing runs yet.
func New(c Config) *Stand { return &Stand{config: c} }

// Kubeconfig is the file with which kubectl reaches the API server.
func (s *Stand) Kubeconfig() string { return filepath.Join(s.config.Dir, "kubeconfig") }

// Up starts everything in its order, and returns when the gateways are online and the controller runs. The caller closes the stand also
// after an error.
func (s *Stand) Up(ctx context.Context) error {
	if err := os.MkdirAll(s.config.Dir, 0o700); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	for _, start := range []func(context.Context) error{s.startAPI, s.startGateways, s.startLab} {
		if err := start(ctx); err != nil {
			return err
		}
	}
	return s.StartController()
}

func (s *Stand) startAPI(ctx context.Context) (err error) {
	s.API, err = apiserver.Start(ctx, apiserver.Config{
		Etcd: filepath.Join(s.config.Bin, "etcd"), APIServer: filepath.Join(s.config.Bin, "kube-apiserver"),
		Dir: filepath.Join(s.config.Dir, "kubernetes"), Address: apiServer,
	})
	if err != nil {
		return err
	}
	if err := s.API.Kubeconfig(s.Kubeconfig(), s.API.Address()); err != nil {
		return err
	}
	if err := apiserver.InstallAll(ctx, s.API.Config(), apiserver.Standard); err != nil {
		return err
	}
	background, stop := context.WithCancel(ctx)
	s.background = stop
	go func() { _ = standin.Namespaces(background, s.API.Config()) }()
	return apiserver.Apply(ctx, s.API.Config(), []byte(s.config.Base))
}

func (s *Stand) startGateways(ctx context.Context) error {
	for i, text := range s.config.Kongs {
		_, proxy, _ := strings.Cut(text, "proxy=")
		proxy, _, _ = strings.Cut(proxy, ",")
		s.Gateways = append(s.Gateways, &Gateway{Name: fmt.Sprintf("gw-%d", i+1), Proxy: proxy})
	}
	if len(s.config.Kongs) > 0 {
		return nil
	}
	for n := 1; n <= s.config.Gateways; n++ {
		proxy, reached := address(proxyPort+n), url(proxyPort+n)
		if s.config.Port != 0 {
			proxy, reached = fmt.Sprintf("0.0.0.0:%d", s.config.Port), url(s.config.Port)
		}
		g := &Gateway{Name: fmt.Sprintf("gw-%d", n), Proxy: reached, Admin: url(adminPort + n)}
		prefix := filepath.Join(s.config.Dir, g.Name)
		if err := os.MkdirAll(prefix, 0o700); err != nil {
			return fmt.Errorf("make the gateway's folder: %w", err)
		}
		g.args = []string{"-proxy", proxy, "-admin", address(adminPort + n), "-status", address(statusPort + n), "-workers", "2",
			"-prefix", prefix}
		if s.config.Port != 0 {
			g.args = append(g.args, "-insecure-proxy")
		}
		if s.config.Secure != 0 {
			g.args = append(g.args, "-secure-proxy", fmt.Sprintf("0.0.0.0:%d", s.config.Secure))
		}
		if s.config.Flavor != "" {
			g.args = append(g.args, "-router-flavor", s.config.Flavor)
		}
		s.Gateways = append(s.Gateways, g)
		if err := s.StartGateway(ctx, g); err != nil {
			return err
		}
		s.config.Kongs = append(s.config.Kongs, fmt.Sprintf("admin=%s,proxy=%s,status=%s", url(adminPort+n), g.Proxy, url(statusPort+n)))
	}
	return nil
}

// StartGateway starts a simulated gateway, with what it had when it last ran, and returns when it listens.
func (s *Stand) StartGateway(ctx context.Context, g *Gateway) (err error) {
	if g.Life, err = s.start(g.Name, "silverback-kongsim", g.args...); err != nil {
		return err
	}
	return Eventually(ctx, g.Name+" listens", func() error {
		_, _, err := Get(ctx, g.Proxy+"/")
		return err
	})
}

func (s *Stand) startLab(ctx context.Context) (err error) {
	args := []string{"--bare", "--dir", filepath.Join(s.config.Dir, "lab")}
	for _, kong := range s.config.Kongs {
		args = append(args, "--kong", kong)
	}
	if s.lab, err = s.start("lab", "silverback-lab", args...); err != nil {
		return err
	}
	return Eventually(ctx, "the gateways are known", func() error {
		if !s.lab.Running() {
			return stopped{fmt.Errorf("the lab ended; does another one run?\n%s", process.Tail(process.Log(s.log("lab")), 10))}
		}
		out, err := s.command(ctx, "silverback", "get", "nodes", "-g", Group, "-o", "json")
		if err != nil {
			return err
		}
		var answer struct {
			Nodes []struct{ Name, State string }
		}
		if err := json.Unmarshal([]byte(out), &answer); err != nil {
			return fmt.Errorf("read the nodes: %w", err)
		}
		if n := len(answer.Nodes); n < len(s.Gateways) {
			return fmt.Errorf("%d of %d gateways are known", n, len(s.Gateways))
		}
		return nil
	})
}

// StartController starts the controller, which must not run.
func (s *Stand) StartController() (err error) {
	s.Controller, err = s.start("controller", "silverback-kubernetes", append([]string{"run", "--kubeconfig", s.Kubeconfig(), "--group", Group,
		"--leader-election=false"}, s.config.Flags...)...)
	return err
}

// start starts a binary with its log in the folder.
func (s *Stand) start(name, binary string, args ...string) (*process.Process, error) {
	return process.Start(process.Command{
		Name: name, Path: filepath.Join(s.config.Bin, binary), Args: args, Env: process.Environment(), Log: s.log(name), Group: true,
	})
}

// Log returns the last lines that a process wrote: "controller", "lab" or a gateway's name.
func (s *Stand) Log(name string, lines int) string {
	return process.Tail(process.Log(s.log(name)), lines)
}

func (s *Stand) log(name string) string { return filepath.Join(s.config.Dir, name+".log") }

// Kubectl runs kubectl and returns what it printed, on both streams.
func (s *Stand) Kubectl(ctx context.Context, args ...string) (string, error) {
	return s.command(ctx, "kubectl", append([]string{"--kubeconfig", s.Kubeconfig()}, args...)...)
}

// Silverback runs the command line and returns what it printed, on both streams.
func (s *Stand) Silverback(ctx context.Context, args ...string) (string, error) {
	return s.command(ctx, "silverback", args...)
}

func (s *Stand) command(ctx context.Context, binary string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.config.Bin, binary), args...) //nolint:gosec // binaries of ours
	cmd.Env = process.Environment()
	process.DieWithParent(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", binary, strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// Wait returns when ctx ends, or something that should run does not.
func (s *Stand) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.lab.Done():
		return fmt.Errorf("the fleet ended; see %s", s.log("lab"))
	case <-s.Controller.Done():
		return fmt.Errorf("the controller ended:\n%s", process.Tail(process.Log(s.log("controller")), 10))
	}
}

// Close stops everything, in order.
func (s *Stand) Close() {
	if s.background != nil {
		s.background()
	}
	all := []*process.Process{s.Controller, s.lab}
	for _, g := range s.Gateways {
		all = append(all, g.Life)
	}
	for _, p := range all {
		if p != nil && p.Running() {
			_ = p.Stop(stopTime) // it is killed then
		}
	}
	if s.API != nil {
		_ = s.API.Close()
	}
}

func address(port int) string { return fmt.Sprintf("%s:%d", host, port) }

func url(port int) string { return "http://" + address(port) }

// Get asks a gateway over a connection of its own.
func Get(ctx context.Context, url string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	return answer.StatusCode, string(text), err
}

// stopped is an error that does not get better.
type stopped struct{ error }

// Eventually asks until there is no error.
func Eventually(ctx context.Context, what string, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	next := time.NewTicker(askEvery)
	defer next.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if errors.As(err, new(stopped)) {
			return err
		}
		select {
		case <-next.C:
		case <-ctx.Done():
			return fmt.Errorf("it did not come to pass within %s that %s: %w", patience, what, err)
		}
	}
}
