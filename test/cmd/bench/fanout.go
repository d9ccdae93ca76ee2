package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/silverback-gateway/silverback/test/load/nodes"
	"github.com/silverback-gateway/silverback/test/load/process"
	"github.com/silverback-gateway/silverback/test/load/rawtcp"
	"github.com/silverback-gateway/silverback/test/load/report"
)

const (
	group    = "bench"
	document = "kong.json"
	// cpuRatio is how much more a sender may cost than raw TCP.
	cpuRatio = 2.5
	// spare is how many files a process needs beside its sockets.
	spare = 500
)

// fanOutBounds are seconds from the commit to the last receipt, by agents.
func fanOutBounds() map[int]float64 { return map[int]float64{1000: 0.1, 10000: 1} }

// A fan is a replica of the distributor with agents connected to it, at a group with a 3 MB snapshot.
type fan struct {
	*stand
	replica *process.Process
	nodes   *nodes.Nodes
	spec    nodes.Spec
	base    nodes.Base
	edit    int
}

func (b *bench) fan(ctx context.Context, agents int) (_ *fan, err error) {
	s, err := b.stand(ctx)
	if err != nil {
		return nil, err
	}
	f := &fan{stand: s}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if err := f.stand.group(ctx, group); err != nil {
		return nil, err
	}
	revision, _, err := f.submit(ctx, group, document, edited(large, 0).JSON())
	if err != nil {
		return nil, err
	}
	f.base = nodes.Base{Digest: revision.GetDigest(), Revision: revision.GetNumber()}
	address, replica, err := f.distributor(ctx, "distributor")
	if err != nil {
		return nil, err
	}
	f.replica = replica
	if f.nodes, err = nodes.Start(ctx); err != nil {
		return nil, err
	}
	f.close = append(f.close, f.nodes.Close)
	f.spec = nodes.Spec{Registry: s.registryAt, Distributor: address, Group: group, Agents: agents, PerConn: b.perConn}
	for agents/f.spec.PerConn+spare > b.files {
		f.spec.PerConn++
	}
	return f, nil
}

func (f *fan) enrol() error {
	f.bench.progress("enrolling %d nodes", f.spec.Agents)
	return f.nodes.Enrol(f.spec)
}

func (f *fan) connect(b nodes.Base) error {
	f.bench.progress("connecting %d agents", f.spec.Agents)
	return f.nodes.Connect(f.spec, b)
}

func (f *fan) how() string {
	if f.spec.PerConn == 1 {
		return "a connection each"
	}
	return fmt.Sprintf("%d agents a connection", f.spec.PerConn)
}

// rest waits until the replica does nothing any more.
func (f *fan) rest(ctx context.Context) error {
	const look, quiet = 100 * time.Millisecond, 3
	tick := time.NewTicker(look)
	defer tick.Stop()
	last, calm := time.Duration(0), 0
	deadline := time.After(submitTime)
	for calm < quiet {
		select {
		case <-tick.C:
		case <-deadline:
			return errors.New("the replica does not come to rest")
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		now, err := f.replica.CPU()
		if err != nil {
			return err
		}
		// Pings of thousands of connections go on for ever.
		if now-last < look/10 {
			calm++
		} else {
			calm = 0
		}
		last = now
	}
	return nil
}

// A change is what one round of a fan-out cost.
type change struct {
	delay    time.Duration // from the commit to the last receipt
	first    time.Duration // to the first
	cpu      time.Duration // of the replica
	received float64       // bytes to each agent
	sent     float64       // bytes from each agent
}

// change submits one changed route and waits until every agent has it. With acks held back the CPU is that of sending alone; without, it
// is everything until the replica is at rest again.
func (f *fan) change(ctx context.Context, hold bool) (c change, err error) {
	if err := f.rest(ctx); err != nil {
		return c, err
	}
	if err := f.nodes.Hold(hold); err != nil {
		return c, err
	}
	committed, stop := f.commits(ctx, group)
	defer stop()
	before, err := f.nodes.Traffic()
	if err != nil {
		return c, err
	}
	cpu, err := f.replica.CPU()
	if err != nil {
		return c, err
	}
	f.edit++
	revision, _, err := f.submit(ctx, group, document, edited(large, f.edit).JSON())
	if err != nil {
		return c, err
	}
	receipt, err := f.nodes.Await(revision.GetNumber())
	if err != nil {
		return c, err
	}
	if !hold {
		if err := f.rest(ctx); err != nil {
			return c, err
		}
	}
	after, err := f.replica.CPU()
	if err != nil {
		return c, err
	}
	at, err := committed()
	if err != nil {
		return c, err
	}
	if err := f.nodes.Hold(false); err != nil {
		return c, err
	}
	if err := f.rest(ctx); err != nil { // the answers are on their way
		return c, err
	}
	end, err := f.nodes.Traffic()
	n := float64(f.spec.Agents)
	return change{
		delay: time.Unix(0, receipt.Last).Sub(at), first: time.Unix(0, receipt.First).Sub(at), cpu: after - cpu,
		received: float64(end.Received-before.Received) / n, sent: float64(end.Sent-before.Sent) / n,
	}, err
}

// changes measures several rounds and returns their medians.
func (f *fan) changes(ctx context.Context, hold bool) (c change, err error) {
	var delays, firsts, cpus, received, sent []float64
	for range f.bench.rounds() {
		c, err := f.change(ctx, hold)
		if err != nil {
			return c, err
		}
		delays, cpus = append(delays, float64(c.delay)), append(cpus, float64(c.cpu))
		received, sent, firsts = append(received, c.received), append(sent, c.sent), append(firsts, float64(c.first))
	}
	return change{
		delay: time.Duration(report.Median(delays)), first: time.Duration(report.Median(firsts)), cpu: time.Duration(report.Median(cpus)),
		received: report.Median(received), sent: report.Median(sent),
	}, nil
}

// raw measures the same bytes over plain sockets.
func (b *bench) raw(ctx context.Context, sockets int, bytes, answer float64) (rawtcp.Result, error) {
	s, err := rawtcp.NewSender(ctx, sockets)
	if err != nil {
		return rawtcp.Result{}, err
	}
	defer s.Close()
	var times, cpus []float64
	for range b.rounds() + 1 { // the first warms up
		r, err := s.Send(int(bytes), int(answer))
		if err != nil {
			return r, err
		}
		times, cpus = append(times, float64(r.Time)), append(cpus, float64(r.CPU))
	}
	return rawtcp.Result{Time: time.Duration(report.Median(times[1:])), CPU: time.Duration(report.Median(cpus[1:]))}, nil
}

// measureFanOut times a one-route change from its commit to its last receipt.
func measureFanOut(ctx context.Context, b *bench) error {
	for _, agents := range b.agents {
		if err := b.fanOut(ctx, agents); err != nil {
			return fmt.Errorf("%d agents: %w", agents, err)
		}
	}
	return nil
}

func (b *bench) fanOut(ctx context.Context, agents int) error {
	f, err := b.fan(ctx, agents)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.enrol(); err != nil {
		return err
	}
	if err := f.connect(f.base); err != nil {
		return err
	}
	if _, err := f.change(ctx, false); err != nil { // warms up
		return err
	}
	stop := f.profile(ctx, fmt.Sprintf("fan-out-%d", agents))
	all, err := f.changes(ctx, false)
	if err != nil {
		return err
	}
	stop()
	sending, err := f.changes(ctx, true)
	if err != nil {
		return err
	}
	f.Close() // raw TCP has the machine for itself, as this had
	one, err := b.raw(ctx, agents, sending.received, 0)
	if err != nil {
		return err
	}
	both, err := b.raw(ctx, agents, all.received, all.sent)
	if err != nil {
		return err
	}
	b.add(report.Figure{
		Name: fmt.Sprintf("%d agents: commit to last receipt", agents), Value: seconds(all.delay), Unit: "s", Bound: fanOutBounds()[agents],
		Peer: seconds(one.Time), PeerName: "raw TCP",
		Note: fmt.Sprintf("%s, acks at once; the first receipt after %s", f.how(), report.Number(seconds(all.first), "s")),
	})
	b.add(report.Figure{
		Name: fmt.Sprintf("%d agents: bytes to each", agents), Value: all.received, Unit: "B", Bound: 10 * kb,
		Note: fmt.Sprintf("HTTP/2 included; %s from each; snapshot 3 MB", report.Number(all.sent, "B")),
	})
	b.add(report.Figure{
		Name: fmt.Sprintf("%d agents: sender CPU, sending", agents), Value: millis(sending.cpu), Unit: "ms", Peer: millis(one.CPU),
		PeerName: "raw TCP", Note: "acks held back",
	})
	b.add(report.Figure{
		Name: fmt.Sprintf("%d agents: that as a ratio", agents), Value: float64(sending.cpu) / float64(one.CPU), Unit: "x", Bound: cpuRatio,
	})
	b.add(report.Figure{
		Name: fmt.Sprintf("%d agents: sender CPU, acks and tally included", agents), Value: millis(all.cpu), Unit: "ms", Peer: millis(both.CPU),
		PeerName: "raw TCP both ways", Note: "until the rollout is complete and the replica at rest",
	})
	return nil
}

// profile takes a CPU profile of the replica while it lasts, when one is wanted. The returned function waits for it.
func (f *fan) profile(ctx context.Context, name string) (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := f.keep(ctx, "/debug/pprof/profile?seconds=10", name+".pprof"); err != nil {
			f.bench.progress("no profile: %v", err)
		}
	}()
	return func() { <-done }
}

// keep writes a page of the replica to a file, when profiles are wanted.
func (f *fan) keep(ctx context.Context, page, name string) error {
	if f.bench.options.profile == "" {
		return nil
	}
	_, body, err := f.replica.Get(ctx, page)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(f.bench.options.profile, name), body, 0o600)
}
