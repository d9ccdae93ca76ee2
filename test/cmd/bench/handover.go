package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/silverback-gateway/silverback/test/load/process"
	"github.com/silverback-gateway/silverback/test/load/report"
)

const (
	replicas      = 3
	gracefulBound = 1 // seconds
	killBound     = 4
	handOverTime  = 30 * time.Second
	leaderMetric  = "silverback_leader"
)

// measureHandOver takes the leader away from three replicas and waits until another leads.
func measureHandOver(ctx context.Context, b *bench) error {
	s, err := b.stand(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	var all []*process.Process
	next := 0
	add := func() error {
		next++
		_, p, err := s.distributor(ctx, fmt.Sprintf("replica-%d", next))
		if err == nil {
			all = append(all, p)
		}
		return err
	}
	for range replicas {
		if err := add(); err != nil {
			return err
		}
	}
	for _, way := range []struct {
		name   string
		signal syscall.Signal
		bound  float64
	}{{"graceful stop of the leader", syscall.SIGTERM, gracefulBound}, {"kill -9 of the leader", syscall.SIGKILL, killBound}} {
		var took []float64
		for range b.rounds() {
			leader, err := leads(ctx, all, nil)
			if err != nil {
				return err
			}
			began := time.Now()
			if err := all[leader].Signal(way.signal); err != nil {
				return err
			}
			if _, err := leads(ctx, all, all[leader]); err != nil {
				return err
			}
			took = append(took, seconds(time.Since(began)))
			all[leader].Stop()
			all = append(all[:leader], all[leader+1:]...)
			if err := add(); err != nil {
				return err
			}
		}
		b.add(report.Figure{
			Name: way.name, Value: report.Median(took), Unit: "s", Bound: way.bound,
			Note: fmt.Sprintf("until another of %d processes says that it leads; median of %d, longest %s", replicas, len(took),
				report.Number(longest(took), "s")),
		})
	}
	return nil
}

// leads waits until one of the replicas leads, other than the given one, and returns which.
func leads(ctx context.Context, all []*process.Process, other *process.Process) (int, error) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(handOverTime)
	for {
		for i, p := range all {
			if p == other {
				continue
			}
			if v, err := p.Metric(ctx, leaderMetric); err == nil && v == 1 {
				return i, nil
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			return 0, errors.New("nobody leads")
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

func longest(values []float64) (most float64) {
	for _, v := range values {
		most = max(most, v)
	}
	return most
}
