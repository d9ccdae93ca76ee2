package telemetry_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

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
