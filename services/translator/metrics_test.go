package translator_test

import (
	"testing"

	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

func TestSubmissionsAreCountedAndTimed(t *testing.T) {
	r := startPlane(t, "g").replica(t)
	r.mustSubmit(config("g", "one", services("a")))
	r.mustSubmit(config("g", "one", services("a")))
	r.mustSubmit(config("g", "one", services("a", "b")))
	_, _ = r.submit(config("g", "one", "services: 1"))
	_, _ = r.submit(config("nobody", "one", services("a")))
	if _, err := r.DeleteSource(t.Context(), &translatorv1.DeleteSourceRequest{Group: "g", Source: "one", AllowShrink: true}); err != nil {
		t.Fatal(err)
	}
	families, err := r.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				switch {
				case f.GetName() == "silverback_translator_submits_total":
					got[l.GetValue()] = m.GetCounter().GetValue()
				case f.GetName() == "silverback_translator_stage_seconds":
					got[l.GetValue()] = float64(m.GetHistogram().GetSampleCount())
				}
			}
		}
	}
	for label, want := range map[string]float64{
		"committed": 2, "unchanged": 1, "refused": 2, "failed": 0,
		"parse": 4, "merge": 4, "seal": 4, "compare": 3, "store": 3, "commit": 3,
	} {
		if got[label] != want {
			t.Errorf("%s: %v, want %v", label, got[label], want)
		}
	}
}
