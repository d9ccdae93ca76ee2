package gate

import (
	"slices"
	"testing"
	"time"
)

// nodes returns n nodes with the same count.
func nodes(n int, hits, of float64) []Count { return slices.Repeat([]Count{{hits, of}}, n) }

func TestWorse(t *testing.T) {
	for _, tt := range []struct {
		name              string
		wave, others, own []Count
		limit             float64
		window            time.Duration
		before            bool
		want              bool
	}{
		{name: "as many failures as elsewhere", wave: nodes(1, 1, 1000), others: nodes(11, 1, 1000)},
		{name: "a total failure in 20 requests", wave: nodes(1, 20, 20), others: nodes(11, 0, 20), want: true},
		{name: "a total failure in 60 requests beside one other node", wave: nodes(1, 60, 60), others: nodes(1, 0, 60), want: true},
		{name: "an outage of all nodes", wave: nodes(1, 1000, 1000), others: nodes(11, 990, 1000)},
		{name: "one failure of ten requests", wave: nodes(1, 1, 10), others: nodes(11, 1, 1000)},
		{name: "5 % of 2,000", wave: nodes(1, 100, 2000), others: nodes(11, 2, 2000), want: true},
		{name: "5 % of 2,000 within the limit", wave: nodes(1, 100, 2000), others: nodes(11, 2, 2000), limit: 0.06},
		{name: "one node of the wave fails", wave: append(nodes(7, 0, 100), Count{100, 100}), others: nodes(8, 0, 100), want: true},
		{
			name: "no more than the others differ", wave: nodes(1, 220, 2000),
			others: []Count{{20, 2000}, {180, 2000}, {60, 2000}, {240, 2000}, {10, 2000}, {110, 2000}},
		},
		{
			name: "more than the others differ when they are alike", wave: nodes(1, 420, 2000),
			others: nodes(12, 110, 2000), want: true,
		},
		{name: "two nodes of which one always refuses more", wave: nodes(1, 4000, 15000), others: nodes(1, 2500, 15000)},
		{name: "a node that failed as often before", wave: nodes(1, 200, 2000), others: nodes(11, 2, 2000), own: nodes(1, 600, 6000)},
		{name: "a node that was as good before", wave: nodes(1, 200, 2000), others: nodes(11, 2, 2000), own: nodes(1, 6, 6000), want: true},
		{
			name: "a total failure of a node that was sick before", wave: nodes(1, 20, 20), others: nodes(11, 0, 20),
			own: nodes(1, 600, 6000), want: true,
		},
		{name: "a total failure beside before", wave: nodes(1, 60, 60), others: nodes(1, 6, 6000), window: 3 * time.Second,
			before: true, want: true},
		{name: "an outage of 4 s beside before", wave: nodes(12, 800, 2000), others: nodes(12, 6, 60000), window: 10 * time.Second, before: true},
		{name: "an outage that stays", wave: nodes(12, 2800, 4000), others: nodes(12, 6, 60000), window: 20 * time.Second,
			before: true, want: true},
		{name: "half fails and there is nothing to compare with", wave: nodes(1, 200, 400)},
		{name: "everything fails and there is nothing to compare with", wave: nodes(1, 240, 240), want: true},
		{name: "nothing was seen", others: nodes(11, 2, 2000)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			limit := tt.limit
			if limit == 0 {
				limit = 0.01
			}
			if got := Worse(tt.wave, tt.others, tt.own, limit, Look{Waves: 2, Gates: 2, Window: tt.window, Before: tt.before}); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

// More waves and gates share the promise: each has less of it.
func TestThePromiseIsDivided(t *testing.T) {
	if got, want := (Look{Waves: 5, Gates: 2}).alpha(), Promise/30; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := (Look{}).alpha(), Promise/3; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
