package cost

import (
	"testing"
	"time"
)

func TestHowLongARolloutTakes(t *testing.T) {
	const load = 5 * time.Second
	waves := []Wave{{Nodes: 1, Soak: 30 * time.Second}, {Nodes: 10}, {Nodes: 40, Soak: time.Minute}}
	for name, tt := range map[string]struct {
		waves           []Wave
		atOnce, serving int
		want            time.Duration
	}{
		"from the beginning":              {waves, 10, 0, load + 30*time.Second + load + 3*load + time.Minute},
		"one after the other":             {waves, 1, 0, 40*load + 90*time.Second},
		"all at once":                     {waves, 40, 0, 3*load + 90*time.Second},
		"the last wave, half of it there": {waves[2:], 10, 25, 2*load + time.Minute},
		"nothing is left but the bake":    {waves[2:], 10, 40, time.Minute},
		"more serve than are in the wave": {waves[1:], 10, 12, 3*load + time.Minute},
		"no nodes":                        {nil, 0, 0, 0},
	} {
		if got := Rollout(tt.waves, tt.atOnce, tt.serving, load); got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
}
