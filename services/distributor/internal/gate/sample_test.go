package gate

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
)

func TestSamplesAddUp(t *testing.T) {
	first, second := counted(100, 2, 60, 40), counted(50, 1, 50)
	first.Probes = []Probe{{Name: "/a", Sent: 3, Failed: 1, Reason: "503"}}
	second.Probes = []Probe{{Name: "/a", Sent: 2}, {Name: "/b", Sent: 1}}
	sum := first.Add(second)
	want := counted(150, 3, 110, 40)
	want.Probes = []Probe{{Name: "/a", Sent: 5, Failed: 1, Reason: "503"}, {Name: "/b", Sent: 1}}
	if !reflect.DeepEqual(sum, want) {
		t.Errorf("got  %+v\nwant %+v", sum, want)
	}
	if got := sum.Since(first); !reflect.DeepEqual(got, second) {
		t.Errorf("since the first: got  %+v\nwant %+v", got, second)
	}
	if first.Latency.Counts[0] != 60 || len(first.Probes) != 1 {
		t.Errorf("the first was changed: %+v", first)
	}
}

func TestASmallerCountIsAFreshStart(t *testing.T) {
	if got, want := counted(10, 1, 10).Since(counted(100, 2, 60, 40)), counted(10, 1, 10); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestHistogramsKeepSharedBounds(t *testing.T) {
	a := Histogram{Bounds: []float64{10, 20, 50}, Counts: []uint64{1, 2, 3, 4}}
	b := Histogram{Bounds: []float64{20, 50, 100}, Counts: []uint64{10, 20, 30, 40}}
	if got, want := a.Add(b), (Histogram{[]float64{20, 50}, []uint64{13, 23, 74}}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := a.Add(Histogram{Bounds: []float64{7}, Counts: []uint64{1, 1}}); got.valid() {
		t.Errorf("nothing shared: got %+v", got)
	}
	if got := a.Add(Histogram{Bounds: []float64{7}, Counts: []uint64{1}}); !reflect.DeepEqual(got, a) {
		t.Errorf("counts that do not fit the bounds: got %+v", got)
	}
}

func TestQuantilesAndTailsAgree(t *testing.T) {
	h := Histogram{Bounds: []float64{10, 20, 50}, Counts: []uint64{50, 30, 15, 5}}
	for _, tt := range []struct{ q, ms float64 }{{0.5, 10}, {0.65, 15}, {0.8, 20}, {0.95, 50}, {0.99, 50}} {
		if got := h.quantile(tt.q); math.Abs(got-tt.ms) > 1e-9 {
			t.Errorf("quantile %v is %v, want %v", tt.q, got, tt.ms)
		}
		if tt.q <= 0.95 {
			if got := h.over(tt.ms); math.Abs(got-100*(1-tt.q)) > 1e-9 {
				t.Errorf("%v requests over %v ms, want %v", got, tt.ms, 100*(1-tt.q))
			}
		}
	}
}

func TestSamplesTravelAsJSON(t *testing.T) {
	s := counted(100, 2, 60, 40)
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back Sample
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, s) {
		t.Errorf("got %+v (%v), want %+v", back, err, s)
	}
	if text, _ := json.Marshal(Sample{}); string(text) != "{}" {
		t.Errorf("a sample of nothing is %s", text)
	}
}
