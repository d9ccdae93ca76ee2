package target

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// Upstreams are the upstreams of a configuration, by name.
type Upstreams map[string]*Upstream

// An Upstream is what matters of one here.
type Upstream struct {
	// Checked reports that it has health checks, so that its targets have a health that the Admin API can set (fact F46).
	Checked bool
	// Threshold is the percentage of weight below which Kong answers 503 for the whole upstream.
	Threshold float64
	// Revives is how long the active checks take to bring back a target that answers them; 0 means that they do not.
	Revives time.Duration
	// Targets are the weights by target, as Normal has them.
	Targets map[string]float64
}

// Read reads the upstreams of canonical bytes. Other entities are not parsed. Targets that Kong would not take are left out.
func Read(canonical []byte) (Upstreams, error) {
	type named struct {
		ID     string   `json:"id"`
		Name   string   `json:"name"`
		Target string   `json:"target"`
		Weight *float64 `json:"weight"`
		Of     struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		} `json:"upstream"`
		Checks checks `json:"healthchecks"`
	}
	all, byID := Upstreams{}, map[string]*Upstream{}
	var targets []named
	var bad error
	err := snapshot.Scan(canonical, func(kind string, line []byte, _ int) {
		if kind != "upstreams" && kind != "targets" || bad != nil {
			return
		}
		var e named
		if bad = json.Unmarshal(line, &e); bad != nil {
			return
		}
		if kind == "targets" {
			targets = append(targets, e)
			return
		}
		u := e.Checks.upstream()
		all[e.Name], byID[e.ID] = u, u
	})
	if bad != nil {
		err = bad
	}
	if err != nil {
		return nil, fmt.Errorf("read upstreams: %w", err)
	}
	for _, e := range targets {
		u := byID[e.Of.ID]
		if u == nil {
			u = all[e.Of.Name]
		}
		name, err := Normal(e.Target)
		if u == nil || err != nil {
			continue
		}
		weight := 100.0 // Kong's default
		if e.Weight != nil {
			weight = *e.Weight
		}
		u.Targets[name] = weight
	}
	return all, nil
}

// checks are the health checks of an upstream. What is not set is 0 in Kong.
type checks struct {
	Threshold float64 `json:"threshold"`
	Active    struct {
		Healthy struct {
			Interval  float64 `json:"interval"`
			Successes float64 `json:"successes"`
		} `json:"healthy"`
		Unhealthy struct {
			Interval float64 `json:"interval"`
		} `json:"unhealthy"`
	} `json:"active"`
	Passive struct {
		Unhealthy struct {
			TCP      float64 `json:"tcp_failures"`
			Timeouts float64 `json:"timeouts"`
			HTTP     float64 `json:"http_failures"`
		} `json:"unhealthy"`
	} `json:"passive"`
}

func (c checks) revives() time.Duration {
	return time.Duration(c.Active.Unhealthy.Interval * c.Active.Healthy.Successes * float64(time.Second))
}

// Revives returns how long health checks take to bring back a target that answers them, as Upstream.Revives. What is not the JSON of
// health checks brings back nothing.
func Revives(healthChecks []byte) time.Duration { return Checked(healthChecks).Revives }

// Checked returns an upstream without targets that has health checks, given as JSON. What is not the JSON of health checks is none.
func Checked(healthChecks []byte) *Upstream {
	var c checks
	if json.Unmarshal(healthChecks, &c) != nil {
		c = checks{}
	}
	return c.upstream()
}

func (c checks) upstream() *Upstream {
	passive := c.Passive.Unhealthy
	return &Upstream{
		Checked: c.Active.Healthy.Interval != 0 || c.Active.Unhealthy.Interval != 0 ||
			passive.TCP != 0 || passive.Timeouts != 0 || passive.HTTP != 0,
		Threshold: c.Threshold,
		Revives:   c.revives(),
		Targets:   map[string]float64{},
	}
}

// Lacks returns why Kong cannot take a target of these upstreams out; nil when it can.
func (all Upstreams) Lacks(n Name) error {
	u := all[n.Upstream]
	switch {
	case u == nil:
		return ErrNoUpstream
	case !u.Has(n.Target):
		return ErrNoTarget
	case !u.Checked:
		return ErrNoChecks
	}
	return nil
}

// Has reports whether the upstream has a target; nil has none.
func (u *Upstream) Has(target string) bool {
	if u == nil {
		return false
	}
	_, is := u.Targets[target]
	return is
}

// Emptied reports whether an upstream that has something to send requests to would have nothing, or less than its threshold, without the
// targets that out reports.
func (u *Upstream) Emptied(out func(target string) bool) bool {
	var total, left float64
	for name, weight := range u.Targets {
		if total += weight; !out(name) {
			left += weight
		}
	}
	return total > 0 && (left == 0 || left*100 < u.Threshold*total)
}
