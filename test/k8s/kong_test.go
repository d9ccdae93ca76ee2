package k8s_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"

	"github.com/silverback-gateway/silverback/testkit/shared"
)

// gatewayContainer returns a container of the gateway of an overlay.
func gatewayContainer(tb testing.TB, overlay, name string) (*fleet, workload, core.Container) {
	tb.Helper()
	f := mustFleet(tb, overlay)
	w, ok := f.workload("gateway")
	if !ok {
		tb.Fatal("there is no gateway")
	}
	all := w.containers()
	i := slices.IndexFunc(all, func(c core.Container) bool { return c.Name == name })
	if i < 0 {
		tb.Fatalf("the gateway has no container %s", name)
	}
	return f, w, all[i]
}

func TestKongKnowsItsSettings(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(shared.Dir(t), "kong-contract", "node", "root.json"))
	if err != nil {
		t.Fatal(err)
	}
	var recorded []struct {
		Response struct {
			Body struct {
				Configuration map[string]any `json:"configuration"`
			} `json:"body_json"`
		} `json:"response"`
	}
	if err := json.Unmarshal(text, &recorded); err != nil {
		t.Fatal(err)
	}
	known := recorded[0].Response.Body.Configuration
	if len(known) < 100 {
		t.Fatalf("the recording names %d settings", len(known))
	}
	_, _, kong := gatewayContainer(t, "overlays/production", "kong")
	for _, e := range kong.Env {
		key := strings.ToLower(strings.TrimPrefix(e.Name, "KONG_"))
		_, ok := known[key]
		// Kong passes these on to nginx; unset settings are in no recording.
		if !ok && !strings.HasPrefix(key, "nginx_main_") && key != "declarative_config" {
			t.Errorf("Kong has no setting %s", key)
		}
	}
}

// The agent finds Kong where Kong listens, and nobody else finds its Admin API.
func TestAgentAndKongAgree(t *testing.T) {
	for _, overlay := range overlays {
		f, w, kong := gatewayContainer(t, overlay, "kong")
		_, _, agent := gatewayContainer(t, overlay, "agent")
		_, _, boot := gatewayContainer(t, overlay, "boot-file")
		env, told := environment(w, kong), settings(t, f, w, agent)
		for variable, key := range map[string]string{"KONG_ADMIN_LISTEN": "kong-admin", "KONG_STATUS_LISTEN": "kong-status"} {
			host, _, err := net.SplitHostPort(env[variable])
			if err != nil || host != "127.0.0.1" {
				t.Errorf("%s: %s is %q, which is not loopback", overlay, variable, env[variable])
			}
			if told[key] != "http://"+env[variable] {
				t.Errorf("%s: the agent has %v for %s, Kong listens at %s", overlay, told[key], key, env[variable])
			}
		}
		if port, _ := w.port("proxy"); told["kong-proxy"] != "http://127.0.0.1:8000" || port != 8000 ||
			!strings.HasPrefix(env["KONG_PROXY_LISTEN"], "0.0.0.0:8000 ") {
			t.Errorf("%s: the proxy is at %s for Kong, %v for the agent, %d for the Pod", overlay, env["KONG_PROXY_LISTEN"], told["kong-proxy"],
				port)
		}
		if file := env["KONG_DECLARATIVE_CONFIG"]; told["boot-file"] != file || environment(w, boot)["KONG_DECLARATIVE_CONFIG"] != file {
			t.Errorf("%s: the boot file is %s for Kong, %v for the agent", overlay, file, told["boot-file"])
		}
		if kong.Image != boot.Image {
			t.Errorf("%s: two versions of Kong's image", overlay)
		}
	}
}

func bash(tb testing.TB, env []string, arguments ...string) {
	tb.Helper()
	path, err := exec.LookPath("bash")
	if err != nil {
		tb.Fatal("bash is needed, to run the scripts as in Kong's image, which has it")
	}
	c := exec.CommandContext(tb.Context(), path, arguments...)
	c.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	if out, err := c.CombinedOutput(); err != nil {
		tb.Errorf("%v: %s", err, out)
	}
}

func TestBootFileIsMadeOnceOnly(t *testing.T) {
	_, _, c := gatewayContainer(t, "overlays/production", "boot-file")
	file := filepath.Join(t.TempDir(), "kong.yaml")
	run := func() string {
		bash(t, []string{"KONG_DECLARATIVE_CONFIG=" + file}, c.Command[1:]...)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if got := run(); got != "_format_version: \"3.0\"\n" {
		t.Errorf("a new Pod has %q", got)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o640 {
		t.Errorf("its mode is %o", info.Mode().Perm())
	}
	if err := os.WriteFile(file, []byte("the last known good"), 0o640); err != nil {
		t.Fatal(err)
	}
	if got := run(); got != "the last known good" {
		t.Errorf("a Pod whose containers restart has %q", got)
	}
}

func TestStopTellsKongToDrain(t *testing.T) {
	_, _, c := gatewayContainer(t, "overlays/production", "kong")
	asked := make(chan string, 1)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusNoContent)
		asked <- r.Method + " " + r.URL.Path + " " + r.Header.Get("Content-Type") + " " + string(body)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	hook := slices.Clone(c.Lifecycle.PreStop.Exec.Command[1:])
	script := hook[len(hook)-1]
	if !strings.Contains(script, "/8007\n") || len(sleeps.FindAllString(script, -1)) != 1 {
		t.Fatalf("the hook asks another port, or does not wait:\n%s", script)
	}
	// The same without the pause, and with a stand-in for the Status API.
	hook[len(hook)-1] = sleeps.ReplaceAllString(strings.ReplaceAll(script, "/8007\n", "/"+port+"\n"), "true")
	bash(t, nil, hook...)
	select {
	case got := <-asked:
		if want := `POST /status/ready application/json {"status":"draining"}`; got != want {
			t.Errorf("Kong was asked %q, want %q", got, want)
		}
	case <-time.After(time.Minute): // the hook waits for an answer, and not for ever
		t.Error("Kong was asked nothing")
	}
}
