package compose_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/silverback-gateway/silverback/test/containers"
	"github.com/silverback-gateway/silverback/test/e2e/suite"
	"github.com/silverback-gateway/silverback/test/process"
)

const (
	root    = "../.."
	offline = "deploy/compose/compose.offline.yaml"
	project = "silverback-test"
	tag     = "test"
)

// run runs a command of this checkout and returns what it printed.
func run(t *testing.T, env []string, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // the demo takes its fleet down
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// engine skips the test where no Docker engine answers, and returns the command of compose that there is.
func engine(t *testing.T) []string {
	t.Helper()
	if out, err := run(t, nil, "docker", "version", "--format", "{{.Server.Version}}"); err != nil {
		t.Skipf("no Docker engine answers here: %v %s", err, out)
	}
	compose, err := containers.Compose(t.Context())
	if err != nil {
		t.Fatalf("a Docker engine answers, but %v", err)
	}
	return compose
}

// images makes the images once, and returns the environment in which a fleet of them takes free ports, so that one that runs already is not
// in the way.
func images(t *testing.T) []string {
	t.Helper()
	engine(t)
	platform, err := run(t, nil, "docker", "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}")
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"TAG=" + tag, "SILVERBACK_TAG=" + tag, "VERSION=" + tag, "PLATFORMS=" + strings.TrimSpace(platform)}
	text, err := os.ReadFile(filepath.Join(root, offline))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\$\{([A-Z0-9_]+_PORT):-`).FindAllStringSubmatch(string(text), -1) {
		env = append(env, m[1]+"=0")
	}
	made.Do(func() {
		out, err := run(t, append(env, "OUT="+filepath.Join(t.TempDir(), "images")), "deploy/images/build")
		if err != nil {
			problem = fmt.Errorf("make the images: %w\n%s", err, out)
		}
	})
	if problem != nil {
		t.Fatal(problem)
	}
	return env
}

var (
	made    sync.Once
	problem error // of making the images
)

func TestComposeAcceptsBothFiles(t *testing.T) {
	compose := engine(t)
	for _, name := range names {
		args := append(compose[1:len(compose):len(compose)], "-f", "deploy/compose/"+name, "config", "-q")
		if out, err := run(t, nil, compose[0], args...); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestTheDemoOnContainers(t *testing.T) {
	env := images(t)
	sweep(t.Context()) // of a run that was killed
	t.Cleanup(func() { clean(t) })
	out, err := run(t, env, "go", "run", "./test/cmd/demo", "-compose", offline, "-project", project)
	if err != nil {
		t.Fatalf("the demo: %v\n%s", err, out)
	}
	t.Log("\n" + out)
}

// TestTheSuiteOnContainers runs what every fleet must do, with the command line on this machine, beyond the containers, and mTLS
// everywhere.
func TestTheSuiteOnContainers(t *testing.T) {
	env := images(t)
	binaries, err := process.Build("silverback")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(binaries.Remove)
	suite.Run(t, start(t, env, binaries.Path("silverback")))
}

// start starts a fleet that ends with its test, and returns when all agents have joined.
func start(t *testing.T, env []string, cli string) *suite.Fleet {
	t.Helper()
	p, err := containers.New(t.Context(), filepath.Join(root, offline), project, env...)
	if err != nil {
		t.Fatal(err)
	}
	sweep(t.Context()) // of a run that was killed
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if t.Failed() {
			for _, service := range []string{"distributor-1", "distributor-2", "distributor-3", "agent-1", "agent-2", "agent-3"} {
				logs, err := p.Logs(ctx, service, 20)
				t.Logf("---- %s ----\n%s %v", service, logs, err)
			}
		}
		if err := p.Down(ctx); err != nil {
			t.Error(err)
		}
		clean(t)
	})
	if err := p.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	address := func(service, port string) string {
		t.Helper()
		a, err := p.Address(t.Context(), service, port)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	certs := filepath.Join(t.TempDir(), "certs")
	if err := p.Copy(t.Context(), "cli", "/certs", certs); err != nil {
		t.Fatal(err)
	}
	f := &suite.Fleet{Group: "default", Upstream: "echo:8080", CLI: process.CLI{
		Path:        cli,
		Registry:    []string{address("registry-1", "7440"), address("registry-2", "7440")},
		Translator:  []string{address("translator-1", "7441"), address("translator-2", "7441")},
		Distributor: []string{address("distributor-1", "7442"), address("distributor-2", "7442"), address("distributor-3", "7442")},
		Env: []string{
			"SILVERBACK_CA_FILE=" + filepath.Join(certs, "ca.crt"), "SILVERBACK_CERT_FILE=" + filepath.Join(certs, "user-admin.crt"),
			"SILVERBACK_KEY_FILE=" + filepath.Join(certs, "user-admin.key"),
		},
	}}
	for _, n := range []string{"1", "2", "3"} {
		g := &process.Gateway{Name: "kong-" + n, Proxy: "http://" + address("gateway-"+n, "8000"), HTTP: address("gateway-"+n, "7453")}
		process.Eventually(t, suite.Patience, g.Name+" has joined", g.Joined)
		f.Gateways = append(f.Gateways, g)
	}
	return f
}

// clean removes what a fleet that failed to clean up, or never began to, left behind, and fails the test for it.
func clean(t *testing.T) {
	t.Helper()
	for _, left := range sweep(context.WithoutCancel(t.Context())) {
		t.Errorf("left behind: %s", left)
	}
}

// sweep removes all that belongs to the tests' project, and returns what that was.
func sweep(ctx context.Context) (found []string) {
	label := "label=com.docker.compose.project=" + project
	for _, step := range [][2][]string{
		{{"ps", "-aq", "--filter", label}, {"rm", "-f", "-v"}},
		{{"volume", "ls", "-q", "--filter", label}, {"volume", "rm"}},
		{{"network", "ls", "-q", "--filter", label}, {"network", "rm"}},
	} {
		out, err := exec.CommandContext(ctx, "docker", step[0]...).Output()
		ids := strings.Fields(string(out))
		if err != nil || len(ids) == 0 {
			continue
		}
		found = append(found, fmt.Sprintf("docker %s: %s", strings.Join(step[0], " "), ids))
		_ = exec.CommandContext(ctx, "docker", append(step[1], ids...)...).Run()
	}
	return found
}
