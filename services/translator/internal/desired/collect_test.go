package desired

import (
	"slices"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

func TestWhichRevisionsExpire(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	// history has revisions 1 to n, written at the etcd revisions 10, 20 and so on; the newest is 2 h old and each older one as much older as
	// the step.
	history := func(n int, step time.Duration) History {
		h := History{State: State{Head: &Revision{Number: fleet.Revision(n)}}}
		for i := n; i > 0; i-- {
			h.Revisions = append(h.Revisions, Past{
				Number: fleet.Revision(i), Written: int64(10 * i), CreateTime: now.Add(-2*time.Hour - time.Duration(n-i)*step),
			})
		}
		return h
	}
	upTo := func(n int, except ...fleet.Revision) (all []fleet.Revision) {
		for i := n; i > 0; i-- {
			if !slices.Contains(except, fleet.Revision(i)) {
				all = append(all, fleet.Revision(i))
			}
		}
		return all
	}
	pin := history(20, time.Hour)
	pin.Sources = []Source{{Name: "s", Revision: 9, Pin: &Pin{Good: 3, Refused: 4}}}
	burst := func(age time.Duration) History {
		h := history(200, 0)
		for i := range h.Revisions {
			h.Revisions[i].CreateTime = now.Add(-age)
		}
		return h
	}
	for _, tt := range []struct {
		name   string
		h      History
		before int64
		inUse  []fleet.Revision
		want   []fleet.Revision
	}{
		{name: "those beyond the number and the age", h: history(20, time.Hour), want: upTo(10)},
		{name: "few are kept however old", h: history(10, 1000*time.Hour)},
		{name: "young ones are kept", h: history(20, time.Second)},
		{name: "but not more than ten times the number", h: history(120, time.Second), want: upTo(20)},
		{name: "what is in use is kept", h: history(20, time.Hour), inUse: []fleet.Revision{1, 7}, want: upTo(10, 1, 7)},
		{name: "what a pin names is kept, and what brought a source", h: pin, want: upTo(10, 3, 4, 9)},
		{name: "what was newer than the list does not count", h: history(20, time.Hour), before: 150, want: upTo(5)},
		{name: "a list from before all of it", h: history(20, time.Hour), before: 5},
		{name: "a burst of the last hour", h: burst(minAge - time.Second), want: upTo(100)},
		{name: "in use in a burst", h: burst(minAge - time.Second), inUse: []fleet.Revision{5}, want: upTo(100, 5)},
		{name: "just superseded", h: burst(burstAge - time.Second)},
		{name: "no head", h: History{Revisions: history(20, time.Hour).Revisions}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.before == 0 {
				tt.before = 1 << 40
			}
			c := Collection{Before: tt.before}
			if got := c.expired(now, InUse{Revisions: tt.inUse, KeepRevisions: 10, KeepAge: 3 * time.Hour}, tt.h); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
