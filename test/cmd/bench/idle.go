package main

import (
	"context"
	"fmt"
	"time"

	"github.com/silverback-gateway/silverback/test/load/report"
)

const (
	idleAgents      = 5000
	idleAgentsQuick = 1000
	idleBound       = 40 // KB
	reconnectBound  = 10 // seconds
	reconnectBytes  = 1000
)

// measureIdle tells what connected agents cost that have nothing to do, and what it takes when all of them come back.
func measureIdle(ctx context.Context, b *bench) error {
	agents := idleAgents
	if b.quick {
		agents = idleAgentsQuick
	}
	f, err := b.fan(ctx, agents)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.enrol(); err != nil {
		return err
	}
	if err := f.first(); err != nil {
		return err
	}
	rss, err := f.settled(ctx)
	if err != nil {
		return err
	}
	if err := f.connect(f.base); err != nil {
		return err
	}
	connected, err := f.settled(ctx)
	if err != nil {
		return err
	}
	if err := f.keep(ctx, "/debug/pprof/heap", "idle-heap.pprof"); err != nil {
		return err
	}
	if err := f.keep(ctx, "/metrics", "idle-metrics.txt"); err != nil {
		return err
	}
	b.add(report.Figure{
		Name: fmt.Sprintf("%d agents: memory of each", agents), Value: (connected - rss) / float64(agents) / kb, Unit: "KB", Bound: idleBound,
		Note: fmt.Sprintf("%s; the replica has %s in all", f.how(), report.Number(connected/mb, "MB")),
	})
	if err := f.nodes.CloseAgents(); err != nil {
		return err
	}
	if err := f.rest(ctx); err != nil {
		return err
	}
	before, err := f.nodes.Traffic()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := f.connect(f.base); err != nil {
		return err
	}
	took := time.Since(began)
	if err := f.rest(ctx); err != nil {
		return err
	}
	after, err := f.nodes.Traffic()
	if err != nil {
		return err
	}
	received, sent := float64(after.Received-before.Received)/float64(agents), float64(after.Sent-before.Sent)/float64(agents)
	b.add(report.Figure{
		Name: fmt.Sprintf("%d agents reconnect, digest unchanged", agents), Value: seconds(took), Unit: "s", Bound: reconnectBound,
		Note: "all at once; until each is known to the replica",
	})
	b.add(report.Figure{
		Name: "bytes of each reconnect, both ways", Value: received + sent, Unit: "B", Bound: reconnectBytes,
		Note: fmt.Sprintf("%s to the agent, %s from it; connection and hello included", report.Number(received, "B"), report.Number(sent, "B")),
	})
	return nil
}

// settled is the memory of the replica once it is at rest and has collected its garbage.
func (f *fan) settled(ctx context.Context) (float64, error) {
	if err := f.rest(ctx); err != nil {
		return 0, err
	}
	for range 2 { // what finalizers free is free after the second
		if err := f.replica.Collect(ctx); err != nil {
			return 0, err
		}
	}
	rss, _, err := f.replica.RSS()
	return rss, err
}
