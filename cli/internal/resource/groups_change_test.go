package resource

import (
	"slices"
	"strings"
	"testing"
	"time"

	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

func TestParseWaves(t *testing.T) {
	got, err := parseWaves([]string{"1", " 10%:30s", "100%"})
	if err != nil || len(got) != 3 {
		t.Fatalf("parseWaves returned %v, %v", got, err)
	}
	if got[0].GetNodes() != 1 || got[1].GetPercent() != 10 || got[1].GetSoak().AsDuration() != 30*time.Second || got[2].GetPercent() != 100 {
		t.Errorf("parseWaves returned %v", got)
	}
	if text := waves(&fleetv1.RolloutPolicy{Waves: got}); text != "1, 10%:30s, 100%" {
		t.Errorf("printed as %q", text)
	}
	for _, bad := range []string{"", "ten", "10%:soon", "%"} {
		if _, err := parseWaves([]string{bad}); err == nil || !strings.Contains(err.Error(), "--waves") {
			t.Errorf("parseWaves(%q) returned %v", bad, err)
		}
	}
}

func TestGatesAreReadAndPrintedAlike(t *testing.T) {
	g := &fleetv1.Gates{Probes: []*fleetv1.Probe{{Path: "/health"}}}
	texts := []string{"probes", "error-ratio=1%,min-requests=200", "latency=p99.9+50%"}
	if err := putGates(g, texts); err != nil {
		t.Fatal(err)
	}
	if got := gateTexts(&fleetv1.RolloutPolicy{Gates: g}); !slices.Equal(got, texts) {
		t.Errorf("printed as %q, want %q", got, texts)
	}
	if err := putGates(g, []string{"none"}); err != nil || g.GetErrorRatio() != nil || g.GetLatency() != nil || len(g.GetProbes()) != 1 {
		t.Errorf("none left %v, %v; want the probe alone", g, err)
	}
	for _, bad := range []string{"", "errors", "error-ratio", "error-ratio=1", "error-ratio=1%,requests=2", "latency=99+50%", "latency=p99",
		"latency=p99+50"} {
		if err := putGates(&fleetv1.Gates{}, []string{bad}); err == nil || !strings.Contains(err.Error(), "--gate") {
			t.Errorf("--gate %q: %v", bad, err)
		}
	}
	if err := putGates(&fleetv1.Gates{}, []string{"probes"}); err == nil || !strings.Contains(err.Error(), "--probe") {
		t.Errorf("probes of a group without one: %v", err)
	}
}
