package rollout

import (
	"slices"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/cost"
)

// What a policy means for a forecast is what it means for a rollout.
func TestTheForecastKnowsTheWavesOfAPolicy(t *testing.T) {
	probe := []fleet.Probe{{Path: "/"}}
	for name, p := range map[string]Policy{
		"the default": {}, "one node after the other": {MaxLoading: 1}, "half": {MaxLoading: 50}, "gates": {Probes: probe},
		"shares":           {Waves: []Wave{{Percent: 1, Soak: time.Second}, {Percent: 34}, {Percent: 100, Soak: time.Minute}}},
		"numbers":          {Waves: []Wave{{Nodes: 3}, {Nodes: 30, Soak: time.Second}, {Percent: 100}}},
		"shares and gates": {Waves: []Wave{{Percent: 10}, {Percent: 100, Soak: time.Minute}}, Probes: probe},
	} {
		for _, n := range []int{0, 1, 2, 3, 19, 20, 21, 99, 1000} {
			waves, atOnce := cost.Waves(fleet.Policy(p), make([]map[string]string, n))
			if len(waves) != p.WaveCount() || atOnce != p.maxLoading(n) {
				t.Errorf("%s, %d nodes: %d waves and %d at once, want %d and %d", name, n, len(waves), atOnce, p.WaveCount(), p.maxLoading(n))
			}
			for i, w := range waves {
				if want := (cost.Wave{Nodes: p.size(i+1, n), Soak: p.soak(i + 1)}); w != want {
					t.Errorf("%s, %d nodes: wave %d is %+v, want %+v", name, n, i+1, w, want)
				}
			}
		}
	}
}

func TestForecastOfTheRest(t *testing.T) {
	size := cost.Size{Routes: 10_000, Entities: 20_000, Bytes: 3_000_000}
	load := cost.Forecast(size, 2).Serving
	in := Input{Nodes: nodes(10, 3), Rollout: &Rollout{State: Progressing, Wave: 1, Candidate: Target{Revision: 2, Size: size}, Policy: Policy{
		Waves: []Wave{{Nodes: 2, Soak: time.Minute}, {Percent: 50, Soak: time.Second}, {Percent: 100, Soak: time.Hour}}}}}
	for name, tt := range map[string]struct {
		wave, promoted, serving int
		want                    time.Duration
	}{
		"before the first wave":   {0, 0, 0, 3*load + time.Minute + time.Second + time.Hour},
		"in the second":           {2, 0, 2, 2*load + time.Second + time.Hour},
		"promoted to the end":     {2, 3, 5, load},
		"in the bake":             {3, 0, 10, time.Hour},
		"the second was promoted": {2, 2, 2, 2*load + time.Hour},
	} {
		in.Rollout.Wave, in.Rollout.Promoted = tt.wave, tt.promoted
		f := ForecastOf(in, Progress{Serving: tt.serving})
		if f == nil || f.Left != tt.want || f.Load.Gateways != 10 {
			t.Errorf("%s: got %+v, want %s", name, f, tt.want)
		}
	}
	in.Rollout.State = Completed
	if f := ForecastOf(in, Progress{}); f != nil {
		t.Errorf("of a rollout that has ended: %+v", f)
	}
	in.Rollout.State, in.Rollout.Candidate.Size = Progressing, cost.Size{}
	if f := ForecastOf(in, Progress{}); f != nil {
		t.Errorf("of an unknown size: %+v", f)
	}
}

// The waves of a forecast reach as many nodes as those of a rollout, label waves too.
func TestTheForecastCountsWhatLabelWavesName(t *testing.T) {
	all := nodes(12, 0)
	for i := range all {
		all[i].Online, all[i].Labels = true, map[string]string{"zone": []string{"a", "b", "c"}[i%3]}
		if i < 2 {
			all[i].Labels["canary"] = "true"
		}
	}
	for name, tt := range map[string]struct {
		waves []Wave
		want  []int
	}{
		"a canary, a zone, all": {[]Wave{{Label: "canary=true"}, {Label: "zone=b"}, {Percent: 100}}, []int{2, 5, 12}},
		"one, a zone, all":      {[]Wave{{Nodes: 1}, {Label: "zone=a"}, {Percent: 100}}, []int{1, 4, 12}},
		"half, a zone, all":     {[]Wave{{Percent: 50}, {Label: "zone=a"}, {Percent: 100}}, []int{6, 6, 12}},
		"a label of nobody":     {[]Wave{{Label: "zone=z"}, {Percent: 100}}, []int{0, 12}},
	} {
		p := Policy{Waves: tt.waves}
		var labels []map[string]string
		for _, n := range all {
			labels = append(labels, n.Labels)
		}
		waves, _ := cost.Waves(fleet.Policy(p), labels)
		c := counts{nodes: slices.Clone(all)}
		for _, n := range all {
			c.fit = append(c.fit, n.Position)
		}
		slices.Sort(c.fit)
		var reached Assignment
		for i, w := range waves {
			for _, n := range c.lacking(Rollout{Policy: p, Wave: i + 1}, reached) {
				reached.Reach = reached.plus([]uint64{n.Position})
			}
			if w.Nodes != tt.want[i] || len(reached.Chosen) != tt.want[i] {
				t.Errorf("%s: wave %d: %d in the forecast, %d in a rollout, want %d", name, i+1, w.Nodes, len(reached.Chosen), tt.want[i])
			}
		}
	}
}
