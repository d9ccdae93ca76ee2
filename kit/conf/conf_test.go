package conf_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/conf"
)

type settings struct {
	listen string
	ttl    time.Duration
	peers  []string
	labels map[string]string
}

func load(t *testing.T, file string, env map[string]string, args ...string) (settings, string, error) {
	t.Helper()
	if file != "" {
		path := filepath.Join(t.TempDir(), "s.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	var s settings
	set := conf.New("silverback-test", "Tests.")
	set.Flags.StringVar(&s.listen, "listen", "127.0.0.1:1", "where to listen")
	set.Flags.DurationVar(&s.ttl, "session-ttl", time.Second, "how long")
	set.Flags.StringSliceVar(&s.peers, "peers", nil, "others")
	set.Flags.StringToStringVar(&s.labels, "label", nil, "labels")
	set.Check(func() error {
		if s.ttl <= 0 {
			return errors.New(set.From("session-ttl") + ": must be positive")
		}
		return nil
	})
	var out bytes.Buffer
	err := set.Load(args, func(name string) (string, bool) { v, ok := env[name]; return v, ok }, &out)
	return s, out.String(), err
}

func TestFlagWinsOverEnvironmentWinsOverFile(t *testing.T) {
	file := "listen: 127.0.0.1:3\nsession-ttl: 3s\npeers: [a, b]\nlabel:\n  zone: x\n"
	s, _, err := load(t, file, map[string]string{"SILVERBACK_LISTEN": "127.0.0.1:2", "SILVERBACK_SESSION_TTL": "2s"}, "--listen",
		"127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	if s.listen != "127.0.0.1:9" || s.ttl != 2*time.Second || strings.Join(s.peers, " ") != "a b" || s.labels["zone"] != "x" {
		t.Errorf("loaded %+v", s)
	}
}

func TestProblemsComeTogetherWithTheirPlace(t *testing.T) {
	_, _, err := load(t, "listem: x\nsession-ttl: soon\n", map[string]string{"SILVERBACK_LABEL": "novalue"})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{`s.yaml:1: unknown setting "listem"`, "s.yaml:2: session-ttl", "SILVERBACK_LABEL"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
}

func TestChecksNameThePlace(t *testing.T) {
	_, _, err := load(t, "", map[string]string{"SILVERBACK_SESSION_TTL": "-1s"})
	if err == nil || !strings.Contains(err.Error(), "SILVERBACK_SESSION_TTL: must be positive") {
		t.Errorf("got %v", err)
	}
}

func TestCheckHelpAndVersionEnd(t *testing.T) {
	for _, flag := range []string{"--check", "--help", "--version"} {
		_, out, err := load(t, "", nil, flag)
		if !errors.Is(err, conf.ErrDone) || !strings.Contains(out, "silverback-test") {
			t.Errorf("%s printed %q and returned %v", flag, out, err)
		}
	}
}

func TestMistakesOnTheCommandLine(t *testing.T) {
	for _, args := range [][]string{{"--listem", "x"}, {"stray"}, {"--config", "/nonexistent.yaml"}} {
		if _, _, err := load(t, "", nil, args...); err == nil || errors.Is(err, conf.ErrDone) {
			t.Errorf("%v was accepted: %v", args, err)
		}
	}
}
