package target_test

import (
	"errors"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kong/target"
)

func TestNamesAreThoseOfKong(t *testing.T) {
	for given, want := range map[string]string{
		"10.0.0.1:80":      "10.0.0.1:80",
		"10.0.0.1":         "10.0.0.1:8000",
		"shop.internal":    "shop.internal:8000",
		"shop_a.test:443":  "shop_a.test:443",
		"[::1]:80":         "[0000:0000:0000:0000:0000:0000:0000:0001]:80",
		"[fd00::7]":        "[fd00:0000:0000:0000:0000:0000:0000:0007]:8000",
		"fd00::7":          "[fd00:0000:0000:0000:0000:0000:0000:0007]:8000",
		"":                 "",
		":80":              "",
		"a:":               "",
		"a:0":              "",
		"a:65536":          "",
		"a:http":           "",
		"a/b:80":           "",
		"a b":              "",
		"a\n:80":           "",
		"[fe80::1%eth0]:1": "",
		"10.0.0.1:80:90":   "",
	} {
		got, err := target.Normal(given)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", given, got, err, want)
		}
	}
	for _, upstream := range []string{"", "a/b", "a b", "ä", "../x", string(make([]byte, target.MaxPart+1))} {
		if _, err := target.Parse(upstream, "a:1"); err == nil {
			t.Errorf("upstream %.20q is taken", upstream)
		}
	}
	if got, err := target.Parse("pool", "a"); err != nil || got != (target.Name{Upstream: "pool", Target: "a:8000"}) {
		t.Errorf("%v, %v", got, err)
	}
}

const canonical = `{"_format_version":"3.0",
"routes":[
{"id":"r","name":"not JSON that anybody parses"}
],
"targets":[
{"id":"t1","target":"10.0.0.1:80","upstream":{"id":"u1"},"weight":10},
{"id":"t2","target":"10.0.0.2:80","upstream":{"id":"u1"},"weight":30},
{"id":"t3","target":"10.0.0.3","upstream":{"id":"u1"},"weight":0},
{"id":"t4","target":"10.0.0.1:80","upstream":{"id":"u2"}},
{"id":"t5","target":"10.0.0.1:80","upstream":{"id":"nobody"}}
],
"upstreams":[
{"healthchecks":{"active":{"healthy":{"successes":2},"unhealthy":{"interval":1.5}},"threshold":50},"id":"u1","name":"pool"},
{"healthchecks":{"passive":{"healthy":{"successes":3}}},"id":"u2","name":"unchecked"},
{"healthchecks":{"passive":{"unhealthy":{"timeouts":3}}},"id":"u3","name":"empty"}
]}
`

func TestWhatAConfigurationCanDoWithout(t *testing.T) {
	all, err := target.Read([]byte(canonical))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[target.Name]error{
		{Upstream: "pool", Target: "10.0.0.1:80"}:      nil,
		{Upstream: "pool", Target: "10.0.0.3:8000"}:    nil,
		{Upstream: "pool", Target: "10.0.0.4:80"}:      target.ErrNoTarget,
		{Upstream: "none", Target: "10.0.0.1:80"}:      target.ErrNoUpstream,
		{Upstream: "unchecked", Target: "10.0.0.1:80"}: target.ErrNoChecks,
		{Upstream: "empty", Target: "10.0.0.1:80"}:     target.ErrNoTarget,
	} {
		if got := all.Lacks(name); !errors.Is(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	pool := all["pool"]
	if pool.Revives != 3*time.Second || pool.Threshold != 50 || all["unchecked"].Revives != 0 {
		t.Errorf("%+v", pool)
	}
	out := func(names ...string) func(string) bool {
		return func(name string) bool {
			for _, n := range names {
				if n == name {
					return true
				}
			}
			return false
		}
	}
	for name, c := range map[string]struct {
		of   string
		out  []string
		want bool
	}{
		"the smaller one":         {"pool", []string{"10.0.0.1:80"}, false},
		"the larger one":          {"pool", []string{"10.0.0.2:80"}, true}, // 25 % are left, of 50
		"both":                    {"pool", []string{"10.0.0.1:80", "10.0.0.2:80"}, true},
		"one without weight":      {"pool", []string{"10.0.0.3:8000"}, false},
		"the only one":            {"unchecked", []string{"10.0.0.1:80"}, true},
		"another one":             {"unchecked", []string{"10.0.0.9:80"}, false},
		"of an upstream of none ": {"empty", []string{"10.0.0.1:80"}, false},
	} {
		if got := all[c.of].Emptied(out(c.out...)); got != c.want {
			t.Errorf("without %s: %v", name, got)
		}
	}
	if _, err := target.Read([]byte("{}")); err == nil {
		t.Error("other bytes are read")
	}
}
