package apiserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/silverback-gateway/silverback/testkit/cut"
)

// buildTime bounds the build of a binary that is missing: a kube-apiserver takes ten minutes of one core.
const buildTime = 40 * time.Minute

// Channels of the Gateway API.
const (
	Standard     = "standard"
	Experimental = "experimental"
)

// Binary returns the path of a binary in the repository's bin/, which make builds when it is not there.
func Binary(ctx context.Context, name string) (string, error) {
	root, err := root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, "bin", name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	ctx, cancel := context.WithTimeout(ctx, buildTime)
	defer cancel()
	// Packages are tested at once, and one of them builds.
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), "silverback-build.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", fmt.Errorf("lock the build of %s: %w", name, err)
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock the build of %s: %w", name, err)
	}
	build := exec.CommandContext(ctx, "make", "bin/"+name) //nolint:gosec // names of ours
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return path, nil
}

// GatewayAPI returns the folder with the definitions of the Gateway API of one channel, in the version that this module is built with.
func GatewayAPI(ctx context.Context, channel string) (string, error) {
	root, err := root()
	if err != nil {
		return "", err
	}
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api")
	list.Dir = filepath.Join(root, "sources", "kubernetes")
	list.Env = append(os.Environ(), "GOWORK=off")
	out, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("find the module of the Gateway API: %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "config", "crd", channel), nil
}

// KongDefinitions returns the folder with the definitions of Kong's resources.
func KongDefinitions() (string, error) {
	root, err := root()
	return filepath.Join(root, "deploy", "k8s", "kong-crds"), err
}

// InstallAll installs the definitions of the Gateway API, of one channel, and those of Kong's resources.
func InstallAll(ctx context.Context, c *rest.Config, channel string) error {
	gatewayAPI, err := GatewayAPI(ctx, channel)
	if err != nil {
		return err
	}
	kong, err := KongDefinitions()
	if err != nil {
		return err
	}
	return Install(ctx, c, gatewayAPI, kong)
}

// StartInRepository starts a server from the repository's binaries, with all definitions of the standard channel, and with further flags of
// kube-apiserver. A package with many tests starts one in its TestMain.
func StartInRepository(ctx context.Context, dir string, flags ...string) (*Server, error) {
	etcd, err := Binary(ctx, "etcd")
	if err != nil {
		return nil, err
	}
	api, err := Binary(ctx, "kube-apiserver")
	if err != nil {
		return nil, err
	}
	s, err := Start(ctx, Config{Etcd: etcd, APIServer: api, Dir: dir, Flags: flags})
	if err != nil {
		return nil, err
	}
	if err := InstallAll(ctx, s.Config(), Standard); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// New is StartInRepository for one test, which it ends with.
func New(tb testing.TB, flags ...string) *Server {
	tb.Helper()
	s, err := StartInRepository(tb.Context(), tb.TempDir(), flags...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// Link returns a link to the server that a test can cut one way or both, and a configuration whose clients go through it. It outlives
// restarts of the API server, and ends with the test.
func (s *Server) Link(tb testing.TB) (*cut.Link, *rest.Config) {
	tb.Helper()
	link := cut.New(tb, s.Address())
	return link, s.ConfigAt(link.Address)
}

// root walks up from the working folder to the repository.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.work above %s: %w", dir, os.ErrNotExist)
		}
		dir = parent
	}
}
