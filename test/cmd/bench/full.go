package main

import (
	"context"
	"fmt"
	"time"

	"github.com/silverback-gateway/silverback/test/load/nodes"
	"github.com/silverback-gateway/silverback/test/load/report"
)

const (
	newAgents = 1000
	// perStream is how much memory a stream may take while a snapshot goes out; the snapshot itself may stand twice.
	perStream     = 70 * kb
	snapshotTwice = 2
)

// measureFull sends a whole snapshot to agents that have nothing.
func measureFull(ctx context.Context, b *bench) error {
	f, err := b.fan(ctx, newAgents)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.enrol(); err != nil {
		return err
	}
	// One agent of each kind first: the replica has its content in memory then, as it has in a fleet that runs.
	if err := f.first(); err != nil {
		return err
	}
	if err := f.rest(ctx); err != nil {
		return err
	}
	if err := f.replica.Collect(ctx); err != nil {
		return err
	}
	rss, _, err := f.replica.RSS()
	if err != nil {
		return err
	}
	if err := f.replica.ResetPeak(); err != nil {
		return err
	}
	if err := f.nodes.Open(f.spec); err != nil {
		return err
	}
	if err := f.rest(ctx); err != nil {
		return err
	}
	before, err := f.nodes.Traffic()
	if err != nil {
		return err
	}
	cpu, err := f.replica.CPU()
	if err != nil {
		return err
	}
	stop := f.profile(ctx, "full")
	began := time.Now()
	if err := f.nodes.Greet(nodes.Base{}); err != nil {
		return err
	}
	receipt, err := f.nodes.Await(f.base.Revision)
	if err != nil {
		return err
	}
	took := time.Unix(0, receipt.Last).Sub(began)
	if err := f.rest(ctx); err != nil {
		return err
	}
	after, err := f.replica.CPU()
	if err != nil {
		return err
	}
	_, peak, err := f.replica.RSS()
	if err != nil {
		return err
	}
	end, err := f.nodes.Traffic()
	if err != nil {
		return err
	}
	stop()
	f.Close()
	bytes := float64(end.Received-before.Received) / newAgents
	raw, err := b.raw(ctx, newAgents, bytes, 0)
	if err != nil {
		return err
	}
	b.add(report.Figure{
		Name: fmt.Sprintf("%d agents: hello to last receipt", newAgents), Value: seconds(took), Unit: "s", Peer: seconds(raw.Time),
		PeerName: "raw TCP",
		Note:     fmt.Sprintf("%s to each, %s", report.Number(bytes/kb, "KB"), f.how()),
	})
	b.add(report.Figure{Name: "sender CPU", Value: millis(after - cpu), Unit: "ms", Peer: millis(raw.CPU), PeerName: "raw TCP",
		Note: "hellos and acks included"})
	b.add(report.Figure{Name: "that as a ratio", Value: float64(after-cpu) / float64(raw.CPU), Unit: "x", Bound: cpuRatio})
	size := float64(3 * mb)
	b.add(report.Figure{
		Name: "peak memory growth", Value: (peak - rss) / mb, Unit: "MB", Bound: (newAgents*perStream + snapshotTwice*size) / mb,
		Note: fmt.Sprintf("%s a stream; bound is 70 KB a stream plus twice the snapshot", report.Number((peak-rss)/newAgents/kb, "KB")),
	})
	return nil
}

// first lets a single agent have the snapshot and leave.
func (f *fan) first() error {
	one := f.spec
	one.Agents = 1
	if err := f.nodes.Connect(one, nodes.Base{}); err != nil {
		return err
	}
	if _, err := f.nodes.Await(f.base.Revision); err != nil {
		return err
	}
	return f.nodes.CloseAgents()
}
