package telemetry_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/telemetry"
)

func TestDurationsAreReadableInEveryFormat(t *testing.T) {
	for format, wants := range map[string][]string{
		"text": {"silent=5.1s", "load.time=1m0s"},
		"json": {`"silent":"5.1s"`, `"load":{"time":"1m0s"}`, `"sessions":3`},
	} {
		var out bytes.Buffer
		log, err := telemetry.NewLogger(&out, telemetry.LogConfig{Format: format})
		if err != nil {
			t.Fatal(err)
		}
		log.Info("etcd answers again", "silent", 5100*time.Millisecond, slog.Group("load", "time", time.Minute), "sessions", 3)
		for _, want := range wants {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s has no %s: %s", format, want, out.String())
			}
		}
	}
}

func TestNoFactForgesALine(t *testing.T) {
	const hostile = "x\x1b[2J\u202e\u009b\u2028level=ERROR"
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		log, err := telemetry.NewLogger(&out, telemetry.LogConfig{Format: format})
		if err != nil {
			t.Fatal(err)
		}
		log.With("with", hostile).Info("call", "node", hostile+"\nforged", telemetry.Err, errors.New(hostile), slog.Group("g", "in", hostile),
			"long", strings.Repeat("y", 1<<20))
		line := strings.TrimSuffix(out.String(), "\n")
		if strings.ContainsFunc(line, clean.Unsafe) || !strings.Contains(line, "forged") || len(line) > 20<<10 {
			t.Errorf("%s: %.2000q", format, line)
		}
	}
}
