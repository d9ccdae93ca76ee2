package targets

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/agent/internal/status"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/target"
)

func TestWhatIsKnownOfATarget(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	const (
		healthy, unhealthy, off, noDNS = "HEALTHY", "UNHEALTHY", "HEALTHCHECKS_OFF", "DNS_ERROR"
	)
	down := errors.New("the gateway does not answer")
	for name, c := range map[string]struct {
		entry      entry
		put        error // instead of a reading, unless it is nil and puts
		puts       bool
		health     string
		weightless bool
		gone       bool
		want       standing
		due        bool // at once
	}{
		"a new one is asked":                  {puts: true, want: asked},
		"a refreshed one stays out":           {entry: entry{standing: out}, puts: true, want: out},
		"one that is not there":               {puts: true, put: target.ErrNoTarget, want: absent},
		"without checks it fails":             {puts: true, put: target.ErrNoChecks, want: failed},
		"the gateway is away":                 {puts: true, put: down, want: failed},
		"asked and seen out":                  {entry: entry{standing: asked, at: now}, health: unhealthy, want: out},
		"asked and not heard of yet":          {entry: entry{standing: asked, at: now}, health: healthy, want: asked},
		"asked and not heard of for long":     {entry: entry{standing: asked, at: now.Add(-hearing)}, health: healthy, want: unknown, due: true},
		"out and back":                        {entry: entry{standing: out, at: now}, health: healthy, want: unknown, due: true},
		"still out after a load":              {entry: entry{again: true}, health: unhealthy, want: out},
		"back after a load":                   {entry: entry{again: true}, health: healthy, want: unknown, due: true},
		"out for a reason of its own":         {health: unhealthy, want: unknown, due: true},
		"without weight it is out":            {entry: entry{standing: asked}, health: off, weightless: true, want: out},
		"told, and without checks":            {entry: entry{standing: asked}, health: off, want: failed},
		"no address":                          {entry: entry{standing: asked}, health: noDNS, want: absent},
		"taken out of the configuration":      {entry: entry{standing: out}, gone: true, want: absent},
		"back in the configuration":           {entry: entry{standing: absent}, health: healthy, want: unknown, due: true},
		"it failed, and is not tried at once": {entry: entry{standing: failed, retryAt: now.Add(1)}, health: off, want: failed},
	} {
		got := c.entry.read(gateway.TargetHealth{Health: c.health, Weightless: c.weightless}, !c.gone, now)
		if c.puts {
			got = c.entry.answered(c.put, now)
		}
		if got.standing != c.want || got.due(now) != c.due {
			t.Errorf("%s: %+v, due %v; want standing %d, due %v", name, got, got.due(now), c.want, c.due)
		}
	}
	var e entry
	var waits []time.Duration
	for range 12 {
		e = e.answered(down, now)
		waits = append(waits, e.retryAt.Sub(now))
	}
	if waits[0] > time.Second || waits[11] != failures.Cap {
		t.Errorf("after failures it waits %v", waits)
	}
}

func TestWhatANewSetReleases(t *testing.T) {
	names := func(words string) (all []target.Name) {
		for _, w := range strings.Fields(words) {
			all = append(all, target.Name{Upstream: "u", Target: w})
		}
		return all
	}
	for name, c := range map[string]struct{ out, releasing, next, wantOut, wantReleasing string }{
		"the first":                 {next: "b a b", wantOut: "a b"},
		"one less":                  {out: "a b", next: "b", wantOut: "b", wantReleasing: "a"},
		"still being let in":        {out: "b", releasing: "a", next: "b", wantOut: "b", wantReleasing: "a"},
		"out again before it is in": {out: "b", releasing: "a", next: "a", wantOut: "a", wantReleasing: "b"},
		"none":                      {out: "a b", releasing: "c", wantReleasing: "a b c"},
	} {
		got := after(lastgood.Targets{Out: names(c.out), Releasing: names(c.releasing)}, lastgood.Targets{Out: names(c.next)})
		if fmt.Sprint(got.Out, got.Releasing) != fmt.Sprint(names(c.wantOut), names(c.wantReleasing)) {
			t.Errorf("%s: out %v, releasing %v", name, got.Out, got.Releasing)
		}
	}
}

// fakeKong is a gateway whose active checks bring targets back a while after they were put out.
type fakeKong struct {
	mu      sync.Mutex
	size    int           // targets
	revives time.Duration // 0: never
	tells   time.Duration // what it says of that
	away    bool
	outAt   map[target.Name]time.Time
	puts    int
	reads   int
	atOnce  int
	most    int
	leaked  time.Duration
}

func (f *fakeKong) settle(now time.Time) {
	for n, at := range f.outAt {
		if f.revives > 0 && now.Sub(at) >= f.revives {
			f.leaked += now.Sub(at) - f.revives
			delete(f.outAt, n)
		}
	}
}

func (f *fakeKong) SetTargetHealth(ctx context.Context, n target.Name, healthy bool) error {
	f.mu.Lock()
	f.atOnce++
	f.most = max(f.most, f.atOnce)
	f.mu.Unlock()
	<-time.After(10 * time.Millisecond) // as F46 saw
	f.mu.Lock()
	defer f.mu.Unlock()
	f.atOnce--
	f.puts++
	if f.away {
		return errors.New("connection refused")
	}
	f.settle(time.Now())
	if healthy {
		delete(f.outAt, n)
	} else {
		f.outAt[n] = time.Now()
	}
	return ctx.Err()
}

func (f *fakeKong) TargetHealth(_ context.Context, upstream string) (map[string]gateway.TargetHealth, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	if f.away {
		return nil, errors.New("connection refused")
	}
	f.settle(time.Now())
	all := map[string]gateway.TargetHealth{}
	for i := range f.size {
		n := name(i)
		h := gateway.TargetHealth{Health: "HEALTHY"}
		if _, out := f.outAt[n]; out {
			h.Health = "UNHEALTHY"
		}
		if n.Upstream == upstream {
			all[n.Target] = h
		}
	}
	return all, nil
}

func (f *fakeKong) Revives(context.Context, string) (time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tells, nil
}

func name(i int) target.Name {
	return target.Name{Upstream: fmt.Sprintf("u%d", i%10), Target: fmt.Sprintf("10.0.%d.%d:80", i/250, i%250)}
}

type nowhere struct{}

func (nowhere) RememberTargets(lastgood.Targets) error { return nil }

// keeping runs a keeper of n targets in front of a gateway.
func keeping(t *testing.T, f *fakeKong, n int) (*Keeper, *status.Tracker) {
	f.outAt, f.size = map[target.Name]time.Time{}, n
	tracker := status.New(status.View{})
	k := New(Deps{Gateway: f, Memory: nowhere{}, Status: tracker, Log: slog.New(slog.DiscardHandler)}, lastgood.Targets{}, nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = k.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	set := lastgood.Targets{Version: 1}
	for i := range n {
		set.Out = append(set.Out, name(i))
	}
	k.Receive(set)
	return k, tracker
}

func (f *fakeKong) counts() (puts, reads int, leaked time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.puts, f.reads, f.leaked
}

func TestHundredsOfTargetsAreToldAtAPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeKong{}
		k, tracker := keeping(t, f, 500)
		began := time.Now()
		k.Settle(t.Context())
		if took := time.Since(began); took > settleTime {
			t.Errorf("a load would wait for %s", took)
		}
		synctest.Wait()
		<-time.After(10 * time.Second)
		if v := tracker.View().Targets; v == nil || v.Out != 500 || f.most > atOnce {
			t.Errorf("%+v, %d requests at once", v, f.most)
		}
		puts, reads, _ := f.counts()
		<-time.After(time.Hour)
		later, looks, _ := f.counts()
		if puts != 500 || later != puts {
			t.Errorf("%d PUTs, and %d more in a quiet hour", puts, later-puts)
		}
		if looks -= reads; looks < 10*300 || looks > 10*420 { // each upstream every 10 s
			t.Errorf("%d looks in an hour", looks)
		}
		k.Loaded()
		<-time.After(10 * time.Second)
		if again, _, _ := f.counts(); again != later {
			t.Errorf("after a load that forgot nothing %d PUTs", again-later)
		}
		f.mu.Lock()
		clear(f.outAt)
		f.mu.Unlock()
		k.Loaded()
		<-time.After(10 * time.Second)
		if again, _, _ := f.counts(); again != later+500 || tracker.View().Targets.Out != 500 {
			t.Errorf("after a load that forgot them %d PUTs, %+v", again-later, tracker.View().Targets)
		}
	})
}

func TestChecksThatBringATargetBackAreForestalled(t *testing.T) {
	for name, c := range map[string]struct {
		f    *fakeKong
		most time.Duration // the target may get requests in ten minutes
	}{
		"the agent knows when":   {&fakeKong{revives: 3 * time.Second, tells: 3 * time.Second}, 0},
		"it does not know that":  {&fakeKong{revives: 3 * time.Second}, 5 * time.Minute},
		"they do so immediately": {&fakeKong{revives: 100 * time.Millisecond, tells: 100 * time.Millisecond}, 7 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			keeping(t, c.f, 1)
			<-time.After(10 * time.Minute)
			puts, _, leaked := c.f.counts()
			t.Logf("%s: %d PUTs, reached for %s of ten minutes", name, puts, leaked)
			if leaked > c.most || puts > 600*8 {
				t.Errorf("%s: %d PUTs, reached for %s", name, puts, leaked)
			}
		})
	}
}

func TestAGatewayThatIsAwayIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeKong{away: true}
		_, tracker := keeping(t, f, 1)
		<-time.After(time.Hour)
		if puts, _, _ := f.counts(); puts > 140 {
			t.Errorf("%d PUTs in an hour", puts)
		}
		if c := tracker.View().Conditions; len(c) != 1 || c[0].Type != notOut || !strings.Contains(c[0].Message, "connection refused") {
			t.Errorf("conditions %v", c)
		}
		f.mu.Lock()
		f.away = false
		f.mu.Unlock()
		<-time.After(time.Minute)
		if v := tracker.View(); v.Targets.Out != 1 || len(v.Conditions) != 0 {
			t.Errorf("%+v, %v", v.Targets, v.Conditions)
		}
	})
}

func TestOlderSetsAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeKong{}
		k, tracker := keeping(t, f, 2)
		<-time.After(time.Second)
		for _, old := range []lastgood.Targets{{Version: 1}, {}} {
			k.Receive(old)
		}
		<-time.After(time.Second)
		if v := tracker.View().Targets; v.Out != 2 {
			t.Errorf("%+v", v)
		}
		k.Receive(lastgood.Targets{Epoch: 1}) // of a recovered ledger
		<-time.After(time.Second)
		v := tracker.View().Targets
		if v == nil || v.Wanted != 0 || v.Releasing != 0 || len(f.outAt) != 0 || k.Stamp() != (fleet.Stamp{Epoch: 1}) {
			t.Errorf("%+v, %v are out", v, f.outAt)
		}
	})
}

func TestALoadWaitsUntilTheGatewayWasTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeKong{}
		k, _ := keeping(t, f, 5)
		<-time.After(time.Minute)
		f.mu.Lock()
		clear(f.outAt) // the gateway loads, and forgets
		f.mu.Unlock()
		k.Loaded()
		began := time.Now()
		k.Settle(t.Context())
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.outAt) != 5 || time.Since(began) > 100*time.Millisecond {
			t.Errorf("%d of 5 are out %s after a load", len(f.outAt), time.Since(began))
		}
	})
}
