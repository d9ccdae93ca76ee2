package resource

import (
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

func TestAnOptionThatIsNotImplementedIsShownAsWhatItDoes(t *testing.T) {
	for stored, want := range map[string]string{"": "halt", "halt": "halt", "pin": "pin (not implemented: halts)"} {
		if got := reaction(stored); got != want {
			t.Errorf("%q is shown as %q, want %q", stored, got, want)
		}
	}
}
