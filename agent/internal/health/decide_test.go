package health

import (
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

func TestStreaks(t *testing.T) {
	for _, c := range []struct {
		name    string
		results string // + is good, - is not
		want    string // what is thought after each
	}{
		{"the first result is taken at its word, when it is good", "+", "+"},
		{"the first result is taken at its word, when it is not", "-", "-"},
		{"two failures are damped, the third counts", "+---", "+++-"},
		{"failures that are not in a row do not count", "+--+--+-", "++++++++"},
		{"one good answer is damped, the second counts", "-++", "--+"},
		{"good answers that are not in a row do not count", "-+-+-", "-----"},
		{"there and back", "+---++---", "+++--+++-"},
	} {
		s, got := Streak{}, ""
		for _, r := range c.results {
			s = s.After(r == '+')
			got += map[bool]string{true: "-", false: "+"}[s.Failing]
		}
		if got != c.want || !s.Asked {
			t.Errorf("%s: %s came to %s, want %s", c.name, c.results, got, c.want)
		}
	}
	if (Streak{}).Failing {
		t.Error("a probe that was never asked fails")
	}
}

func TestReportDue(t *testing.T) {
	start := time.Unix(1000, 0)
	base := fleet.Health{Requests: new(int64(1000)), ServerErrors: new(int64(0)), MemoryBytes: 50 << 20,
		Probes: []fleet.ProbeResult{{Path: "/a", Sent: 6}}}
	with := func(change func(*fleet.Health)) *fleet.Health {
		h := base
		h.Probes = append([]fleet.ProbeResult(nil), base.Probes...)
		change(&h)
		return &h
	}
	more := with(func(h *fleet.Health) { h.Requests = new(int64(2000)) })
	reported := Report{At: start, Health: &base}
	for _, c := range []struct {
		name      string
		reported  Report
		current   *fleet.Health
		after     time.Duration
		loaded    time.Duration // after start; 0 is never
		windowEnd bool
		want      bool
	}{
		{"nothing was sampled", Report{}, nil, time.Hour, 0, true, false},
		{"the first is reported", Report{}, &base, 0, 0, false, true},
		{"the same is not reported", reported, with(func(*fleet.Health) {}), time.Hour, 0, true, false},
		{"a change waits its time", reported, more, 29 * time.Second, 0, true, false},
		{"a change is reported in its time", reported, more, 30 * time.Second, 0, true, true},
		{"a change is reported at the end of a window", reported, more, time.Hour, 0, false, false},
		{"after a load a change does not wait", reported, more, 11 * time.Second, time.Second, true, true},
		{"long after a load it does", reported, more, 29 * time.Second, -11 * time.Minute, true, false},
		{"memory that breathes is no change", reported, with(func(h *fleet.Health) { h.MemoryBytes = 57 << 20 }), time.Hour, 0, true, false},
		{"memory that grows is", reported, with(func(h *fleet.Health) { h.MemoryBytes = 80 << 20 }), time.Hour, 0, true, true},
		{"a few requests more are no change", reported, with(func(h *fleet.Health) { h.Requests = new(int64(1100)) }), time.Hour, 0, true,
			false},
		{"one error is", reported, with(func(h *fleet.Health) { h.ServerErrors = new(int64(1)) }), time.Hour, 0, true, true},
		{"figures that are gone are", reported, with(func(h *fleet.Health) { h.Requests = nil }), time.Hour, 0, true, true},
		{"new workers are", reported, with(func(h *fleet.Health) { h.WorkerRestarts = 1 }), time.Hour, 0, true, true},
		{"one probe more in the window is not", reported, with(func(h *fleet.Health) { h.Probes[0].Sent = 7 }), time.Hour, 0, true, false},
		{"a failed probe is", reported, with(func(h *fleet.Health) { h.Probes[0].Failed, h.Probes[0].Reason = 1, "timeout" }), time.Hour, 0,
			true,
			true},
		{"a probe that came to fail is reported at once", reported, with(func(h *fleet.Health) { h.Probes[0].Failing = true }), 0, 0, false,
			true},
		{"another probe is reported at once", reported, with(func(h *fleet.Health) { h.Probes[0].Path = "/b" }), 0, 0, false, true},
		{"a probe less is reported at once", reported, with(func(h *fleet.Health) { h.Probes = nil }), 0, 0, false, true},
	} {
		loaded := time.Time{}
		if c.loaded != 0 {
			loaded = start.Add(c.loaded)
		}
		if got := ReportDue(start.Add(c.after), c.reported, c.current, loaded, c.windowEnd); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

func TestRound(t *testing.T) {
	for n, want := range map[int64]int64{0: 0, 7: 7, 42: 42, 123: 120, 125: 130, 999: 1000, 51_234_567: 51_000_000} {
		if got := Round(n); got != want {
			t.Errorf("%d is rounded to %d, want %d", n, got, want)
		}
	}
	if got := Round(1234 * time.Microsecond); got != 1200*time.Microsecond {
		t.Errorf("1.234ms is rounded to %v", got)
	}
}

func TestASlowGatewayIsSampledLessOften(t *testing.T) {
	for took, want := range map[time.Duration]time.Duration{
		10 * time.Millisecond: 10 * time.Second, time.Second: 50 * time.Second, 5 * time.Second: 2 * time.Minute,
	} {
		if got := nextSample(10*time.Second, took, sampleShare); got != want {
			t.Errorf("after %v it rests %v, want %v", took, got, want)
		}
	}
}
