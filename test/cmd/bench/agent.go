package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/silverback-gateway/silverback/test/load/process"
	"github.com/silverback-gateway/silverback/test/load/report"
)

const (
	agentMemory = 40  // MB
	agentCPU    = 0.5 // percent of a core
	agentIdle   = 10 * time.Second
)

// measureAgent runs one agent beside one simulated gateway, each in a process of its own.
func measureAgent(ctx context.Context, b *bench) error {
	f, err := b.fan(ctx, 1)
	if err != nil {
		return err
	}
	defer f.Close()
	gateway, err := startGateway(ctx, f)
	if err != nil {
		return err
	}
	http, err := process.FreeAddress()
	if err != nil {
		return err
	}
	p, err := process.Start(ctx, b.binary("agent"), "agent", http,
		"--group="+group, "--node=measured", "--registry="+f.registryAt, "--distributor="+f.spec.Distributor,
		"--kong-admin=http://"+gateway.admin, "--kong-proxy=http://"+gateway.proxy, "--kong-status=http://"+gateway.status,
		"--state-dir="+filepath.Join(f.dir, "agent"), "--boot-file="+gateway.boot, "--http-listen="+http, "--log-level=warn")
	if err != nil {
		return err
	}
	f.close = append(f.close, p.Stop)
	serves := func() bool {
		var status struct{ Digest string }
		_, body, err := p.Get(ctx, "/status")
		return err == nil && json.Unmarshal(body, &status) == nil && status.Digest == f.base.Digest
	}
	if err := p.Until(ctx, "serving the snapshot", serves); err != nil {
		return err
	}
	if err := p.Ready(ctx); err != nil {
		return err
	}
	_, loadPeak, err := p.RSS()
	if err != nil {
		return err
	}
	wait(ctx, agentIdle/2) // what a load leaves behind calms down
	cpu, err := p.CPU()
	if err != nil {
		return err
	}
	began := time.Now()
	wait(ctx, agentIdle)
	after, err := p.CPU()
	if err != nil {
		return err
	}
	took := time.Since(began)
	rss, peak, err := p.RSS()
	if err != nil {
		return err
	}
	b.add(report.Figure{
		Name: "resident memory with 3 MB", Value: rss / mb, Unit: "MB", Bound: agentMemory,
		Note: fmt.Sprintf("%s after a load of all of it; peak %s", agentIdle*3/2, report.Number(max(peak, loadPeak)/mb, "MB")),
	})
	b.add(report.Figure{
		Name: "idle CPU, share of a core", Value: 100 * float64(after-cpu) / float64(took), Unit: "%", Bound: agentCPU,
		Note: fmt.Sprintf("over %s, the gateway looked at every 2s", agentIdle),
	})
	return nil
}

type simulated struct{ proxy, admin, status, boot string }

// startGateway starts a simulated gateway that has nothing yet.
func startGateway(ctx context.Context, f *fan) (g simulated, err error) {
	for _, at := range []*string{&g.proxy, &g.admin, &g.status} {
		if *at, err = process.FreeAddress(); err != nil {
			return g, err
		}
	}
	g.boot = filepath.Join(f.dir, "kong.yaml")
	if err := os.WriteFile(g.boot, []byte("{\"_format_version\":\"3.0\"}\n"), 0o600); err != nil {
		return g, fmt.Errorf("write the boot file: %w", err)
	}
	p, err := process.Start(ctx, f.bench.binary("kongsim"), "kongsim", g.status,
		"--proxy="+g.proxy, "--admin="+g.admin, "--status="+g.status, "--workers=2", "--declarative-config="+g.boot)
	if err != nil {
		return g, err
	}
	f.close = append(f.close, p.Stop)
	return g, p.Until(ctx, "answering", func() bool {
		_, _, err := p.Get(ctx, "/status")
		return err == nil
	})
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
