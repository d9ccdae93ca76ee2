package resource

import (
	"slices"
	"strings"
	"testing"
	"time"

	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

func TestParseWaves(t *testing.T) {
	got, err := parseWaves([]string{"1", " 10%:30s", "100%", "zone=eu-1:5m", "address=10.0.0.1:80"})
	if err != nil || len(got) != 5 {
		t.Fatalf("parseWaves returned %v, %v", got, err)
	}
	if got[0].GetNodes() != 1 || got[1].GetPercent() != 10 || got[1].GetSoak().AsDuration() != 30*time.Second || got[2].GetPercent() != 100 {
		t.Errorf("parseWaves returned %v", got)
	}
	if text := waves(&fleetv1.RolloutPolicy{Waves: got}); text != "1, 10%:30s, 100%, zone=eu-1:5m0s, address=10.0.0.1:80" {
		t.Errorf("printed as %q", text)
	}
	if got[3].GetLabel() != "zone=eu-1" || got[3].GetSoak().AsDuration() != 5*time.Minute || got[4].GetLabel() != "address=10.0.0.1:80" {
		t.Errorf("parseWaves returned %v", got)
	}
	for _, bad := range []string{"", "ten", "10%:soon", "%"} {
		if _, err := parseWaves([]string{bad}); err == nil || !strings.Contains(err.Error(), "--waves") {
			t.Errorf("parseWaves(%q) returned %v", bad, err)
		}
	}
}

func TestSpreadAndWindowsAreReadAndPrintedAlike(t *testing.T) {
	for _, text := range []string{"zone", "zone,max-loading=50%", "zone,at-once=1", "zone,max-loading=50%,at-once=1"} {
		if s, err := parseSpread(text); err != nil || formatSpread(s) != text {
			t.Errorf("--spread %s is printed as %q, %v", text, formatSpread(s), err)
		}
	}
	for _, bad := range []string{"", "zone=eu-1", "zone,half", "zone,at-once=0", "zone,at-most=2", "zone,at-once"} {
		if s, err := parseSpread(bad); err == nil || !strings.Contains(err.Error(), "--spread") {
			t.Errorf("--spread %q: %v, %v", bad, s, err)
		}
	}
	texts := []string{"0 22 * * 1-5 for 4h in Europe/Berlin", "*/5 * 1,15 * * for 30m"}
	windows, err := parseWindows(texts)
	if err != nil || len(windows) != 2 || formatWindow(windows[0]) != texts[0] || formatWindow(windows[1]) != texts[1] {
		t.Errorf("printed as %v, %v", windows, err)
	}
	for _, bad := range []string{"", "0 22 * * 1-5", "0 22 * * 1-5 for long"} {
		if _, err := parseWindows([]string{bad}); err == nil || !strings.Contains(err.Error(), "--window") {
			t.Errorf("--window %q: %v", bad, err)
		}
	}
	if s, err := parseSpread(none); s != nil || err != nil {
		t.Errorf("none is %v, %v", s, err)
	}
	if windows, err := parseWindows([]string{none}); len(windows) != 0 || err != nil {
		t.Errorf("none is %v, %v", windows, err)
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
