package resource

import (
	"testing"
	"time"
)

func TestTheFlagsOfRetention(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30d": 30 * 24 * time.Hour, "36h": 36 * time.Hour, "1h": time.Hour, "default": 0,
		"0": -1, "0d": -1, "59m": -1, "-3d": -1, "d": -1, "NaNd": -1, "1e9d": -1, "99999d": -1, "1.5d": -1, "soon": -1, "": -1,
	} {
		got, err := parseKeepAge(text)
		if (err != nil) != (want < 0) || err == nil && got.AsDuration() != max(want, 0) || want == 0 && got != nil {
			t.Errorf("--keep-age %q: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]int32{"2": 2, "50": 50, "default": 0, "0": -1, "1": -1, "-5": -1, "x": -1, "": -1, "9999999999": -1} {
		got, err := parseKeepRevisions(text)
		if (err != nil) != (want < 0) || want > 0 && *got != want || want == 0 && got != nil {
			t.Errorf("--keep-revisions %q: %v, %v", text, got, err)
		}
	}
}
