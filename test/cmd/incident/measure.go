package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/lab"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// What is promised of an incident.
const (
	maxBack  = 15 * time.Second // from the first evidence to the last gateway that is back
	maxShare = 0.01             // of all requests of the minute, those that failed or were slow
)

const (
	usualLatency = 20 * time.Millisecond // of the upstream
	slowLatency  = 5 * usualLatency
	// slowHeader is of answers of the slow upstream: what is slow for another reason is not of the incident.
	slowHeader = "X-Slow"
	patience   = 3 * time.Minute
)

// A harm is a change that every gateway accepts.
type harm struct {
	name, path, plugin string
}

var harms = []harm{
	{name: "upstream answers 503", path: "/broken"},
	{name: "request-termination", path: "/orders", plugin: `  plugins:
  - name: request-termination
    config: {status_code: 503, message: closed}
`},
	{name: "latency x5", path: "/slow"},
}

// config is the configuration of the only source.
func config(upstream string, h harm) []byte {
	return fmt.Appendf(nil, `_format_version: "3.0"
services:
- name: orders
  url: %s%s
%s  routes:
  - name: orders
    paths: [/orders]
plugins:
- name: prometheus
  config: {status_code_metrics: true, latency_metrics: true}
`, upstream, h.path, h.plugin)
}

// A fleet is what is measured.
type fleet struct {
	options
	lab      *lab.Lab
	client   *client.Client
	upstream string
}

func measure(ctx context.Context, l *lab.Lab, o options) error {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		latency := usualLatency
		if strings.HasPrefix(r.URL.Path, "/slow") {
			latency = slowLatency
			w.Header().Set(slowHeader, "true")
		}
		wait(r.Context(), latency)
		if strings.HasPrefix(r.URL.Path, "/broken") {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer upstream.Close()
	c, err := l.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	f := &fleet{options: o, lab: l, client: c, upstream: upstream.URL}
	if err := f.prepare(ctx); err != nil {
		return err
	}
	fmt.Printf("%d gateways, %d requests a second, waves of one gateway and of all, gates error-ratio=1%% and latency=p50+50%%\n\n"+
		"%-22s %8s %7s %12s %12s %8s %15s %8s %8s %8s\n", len(l.Gateways()), o.rate, "harm", "requests", "harmed", "of the whole",
		"of incident", "gateways", "first evidence", "verdict", "all back", "in sync")
	var broken []error
	for _, h := range harms {
		i, err := f.incident(ctx, h)
		if err != nil {
			return fmt.Errorf("%s: %w", h.name, err)
		}
		fmt.Printf("%-22s %8d %7d %11.2f%% %11.2f%% %8d %14.1fs %7.1fs %7.1fs %7.1fs\n", h.name, i.all, i.harmed, 100*share(i.harmed, i.all),
			100*share(i.harmed, i.requests), i.gateways, i.evidence.Seconds(), i.gate.Seconds(), i.back.Seconds(), i.whole.Seconds())
		if err := i.kept(); err != nil {
			broken = append(broken, fmt.Errorf("%s: %w", h.name, err))
		}
	}
	return errors.Join(broken...)
}

// prepare brings the fleet to where every incident begins.
func (f *fleet) prepare(ctx context.Context) error {
	if err := until(ctx, "every gateway has joined", func() error {
		for _, m := range f.lab.Gateways() {
			if v := m.Agent.Status(); !v.Enrolled || !v.Connected {
				return fmt.Errorf("%s has not", m.Name)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if err := until(ctx, "the policy is set", func() error {
		_, err := f.client.Registry().UpdateGroup(ctx, &registryv1.UpdateGroupRequest{Group: &registryv1.Group{Name: lab.Group,
			Policy: &fleetv1.RolloutPolicy{
				Waves: []*fleetv1.RolloutPolicy_Wave{
					{Size: &fleetv1.RolloutPolicy_Wave_Nodes{Nodes: 1}, Soak: durationpb.New(30 * time.Second)},
					{Size: &fleetv1.RolloutPolicy_Wave_Percent{Percent: 100}},
				},
				LoadInterval: durationpb.New(0),
				Gates: &fleetv1.Gates{ErrorRatio: &fleetv1.ErrorRatioGate{MaxIncreasePercent: 1},
					Latency: &fleetv1.LatencyGate{QuantilePercent: 50, MaxIncreasePercent: 50}},
			}}})
		return err
	}); err != nil {
		return err
	}
	revision, err := f.submit(ctx, harm{path: "/orders"})
	if err != nil {
		return err
	}
	return f.completed(ctx, revision, true)
}

// submit submits a configuration and returns its revision.
func (f *fleet) submit(ctx context.Context, h harm) (revision int64, err error) {
	err = until(ctx, "a change is committed", func() error {
		answer, err := f.client.Submit(ctx, &client.SubmitRequest{Group: lab.Group, Message: h.name,
			Documents: []*client.Document{{Name: "shop.yaml", Content: config(f.upstream, h)}}})
		revision = answer.GetRevision().GetNumber()
		return err
	})
	return revision, err
}

// completed waits until every gateway serves a revision; hurried without the soak and the gates of its waves.
func (f *fleet) completed(ctx context.Context, revision int64, hurried bool) error {
	return until(ctx, fmt.Sprintf("every gateway serves revision %d", revision), func() error {
		answer, err := f.client.Rollouts().GetRollout(ctx, &distributorv1.GetRolloutRequest{Group: lab.Group})
		r := answer.GetRollout()
		switch {
		case err != nil:
			return err
		case r.GetCandidateRevision() == revision && r.GetState() == distributorv1.Rollout_STATE_COMPLETED:
			return nil
		case hurried && !client.Ended(r):
			_, err = f.client.Rollouts().PromoteRollout(ctx, &distributorv1.PromoteRolloutRequest{Group: lab.Group, Full: true,
				Reason: "nothing to measure here"})
		}
		return errors.Join(fmt.Errorf("revision %d is %s: %s", r.GetCandidateRevision(), r.GetState(), r.GetReason()), err)
	})
}

// An outcome is what was seen of an incident.
type outcome struct {
	all                        int           // requests of the minute
	requests, harmed, gateways int           // requests of the incident
	whole                      time.Duration // until the group is in sync without the change
	// From the submission: to the first request that was harmed, to the verdict of a gate, and to the last request that was harmed.
	evidence, gate, back time.Duration
}

func share(harmed, of int) float64 { return float64(harmed) / float64(max(of, 1)) }

// kept is nil when an incident was as promised.
func (o outcome) kept() (err error) {
	if o.harmed == 0 {
		return errors.New("it harmed nobody: nothing was measured")
	}
	if o.gateways > 1 {
		err = errors.Join(err, fmt.Errorf("it reached %d gateways, and the first wave has one", o.gateways))
	}
	if took := o.back - o.evidence; took > maxBack {
		err = errors.Join(err, fmt.Errorf("it was back %s after the first evidence, and %s are promised", took, maxBack))
	}
	if part := share(o.harmed, o.all); part > maxShare {
		err = errors.Join(err, fmt.Errorf("%.2f %% of all requests were harmed, and %.0f %% are promised", 100*part, 100*maxShare))
	}
	return err
}

// incident submits a harmful change and watches until the group is in sync without it: that is the incident. Traffic begins before and goes
// on for the rest of a minute, all of which is the whole.
func (f *fleet) incident(ctx context.Context, h harm) (outcome, error) {
	var urls []string
	for _, m := range f.lab.Gateways() {
		urls = append(urls, m.Kong.Proxy)
	}
	t := startTraffic(ctx, urls, f.rate)
	defer t.end()
	enough := time.Now().Add(f.minute)
	wait(ctx, f.before)
	began := time.Now()
	bad, err := f.submit(ctx, h)
	if err != nil {
		return outcome{}, err
	}
	gate, err := f.takenBack(ctx, bad)
	if err != nil {
		return outcome{}, err
	}
	if err := f.completed(ctx, bad+1, false); err != nil { // the revision without it
		return outcome{}, err
	}
	over := time.Now()
	wait(ctx, time.Until(enough))
	all := t.end()
	if n := t.left.Load(); n > 0 {
		return outcome{}, fmt.Errorf("%d requests were not sent: the machine is too slow for this rate", n)
	}
	mended, err := f.submit(ctx, harm{path: "/orders"}) // takes the pin away
	if err != nil {
		return outcome{}, err
	}
	return judge(all, began, gate, over), f.completed(ctx, mended, true)
}

// judge counts what became of the requests of an incident.
func judge(all []answer, began, gate, over time.Time) outcome {
	o := outcome{all: len(all), gate: gate.Sub(began), whole: over.Sub(began)}
	var reached []int
	for _, a := range all {
		if a.at.Before(began) {
			continue
		}
		if a.harmed && o.harmed == 0 {
			o.evidence = a.at.Sub(began)
		}
		if a.harmed {
			o.harmed++
			o.back = max(o.back, a.at.Sub(began))
			if !slices.Contains(reached, a.gateway) {
				reached = append(reached, a.gateway)
			}
		}
		if a.at.Before(over) {
			o.requests++
		}
	}
	o.gateways = len(reached)
	return o
}

// takenBack waits until the rollout of a revision is rolled back, and returns when.
func (f *fleet) takenBack(ctx context.Context, revision int64) (at time.Time, err error) {
	err = until(ctx, "the change is taken back", func() error {
		answer, err := f.client.Rollouts().GetRollout(ctx, &distributorv1.GetRolloutRequest{Group: lab.Group})
		r := answer.GetRollout()
		if err == nil && r.GetCandidateRevision() <= revision && r.GetState() != distributorv1.Rollout_STATE_ROLLED_BACK {
			err = fmt.Errorf("revision %d is %s", r.GetCandidateRevision(), r.GetState())
		}
		at = time.Now()
		return err
	})
	return at, err
}

// until asks again and again until the answer is nil.
func until(ctx context.Context, what string, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if wait(ctx, 20*time.Millisecond); ctx.Err() != nil {
			return fmt.Errorf("not within %s: %s: %w", patience, what, err)
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
