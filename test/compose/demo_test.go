package compose_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// run runs a command of this checkout; what it prints goes to the test's log.
func run(t *testing.T, env []string, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = "../.."
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
	if _, err := run(t, nil, "docker", "compose", "version"); err == nil {
		return []string{"docker", "compose"}
	}
	if _, err := exec.LookPath("docker-compose"); err != nil {
		t.Skip("a Docker engine answers, but neither docker compose nor docker-compose is here")
	}
	return []string{"docker-compose"}
}

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
	engine(t)
	const tag = "test"
	platform, err := run(t, nil, "docker", "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}")
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"TAG=" + tag, "SILVERBACK_TAG=" + tag, "VERSION=" + tag, "PLATFORMS=" + strings.TrimSpace(platform), "OUT=" + filepath.Join(t.TempDir(), "images")}
	// Free ports, so that a fleet that runs already is not in the way.
	for _, port := range []string{"LOAD_BALANCER", "GATEWAY_1", "GATEWAY_2", "GATEWAY_3", "DISTRIBUTOR_1", "DISTRIBUTOR_2", "DISTRIBUTOR_3"} {
		env = append(env, port+"_PORT=0")
	}
	if out, err := run(t, env, "deploy/images/build"); err != nil {
		t.Fatalf("make the images: %v\n%s", err, out)
	}
	const project = "silverback-test"
	t.Cleanup(func() { down(t, env, project) })
	out, err := run(t, env, "go", "run", "./test/cmd/demo", "-compose", "deploy/compose/compose.offline.yaml", "-project", project)
	if err != nil {
		t.Fatalf("the demo: %v\n%s", err, out)
	}
	t.Log("\n" + out)
}

// down removes what a demo that failed to clean up, or never began to, left behind.
func down(t *testing.T, env []string, project string) {
	t.Helper()
	label := "label=com.docker.compose.project=" + project
	for _, step := range [][2][]string{
		{{"ps", "-aq", "--filter", label}, {"rm", "-f", "-v"}},
		{{"volume", "ls", "-q", "--filter", label}, {"volume", "rm"}},
		{{"network", "ls", "-q", "--filter", label}, {"network", "rm"}},
	} {
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "docker", step[0]...)
		cmd.Env = append(os.Environ(), env...)
		ids, err := cmd.Output()
		if err != nil || len(strings.Fields(string(ids))) == 0 {
			continue
		}
		t.Errorf("left behind: docker %s: %s", strings.Join(step[0], " "), ids)
		_ = exec.CommandContext(context.WithoutCancel(t.Context()), "docker", append(step[1], strings.Fields(string(ids))...)...).Run()
	}
}
