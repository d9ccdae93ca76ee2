package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/test/load/report"
	"github.com/silverback-gateway/silverback/test/load/routes"
)

// The memory of a translator in the manifests: compose and Kubernetes give it manifestLimit, and tell it softLimit.
const (
	manifestLimit = 1024 * mb
	softLimit     = "GOMEMLIMIT=920MiB"
)

const (
	huge         = 100_000 // routes: 22 MB of text
	largest      = 200_000 // routes: a snapshot of 63 MiB
	peakOfLarge  = 256     // MB, of a submission of 10,000 routes
	storm        = 200     // submissions of 10,000 routes
	clients      = 27      // that submit at once, 2.2 MB of text each
	afterStorm   = 300     // more, one after the other
	liveBound    = 256     // MB, of live heap when nothing is under way
	stormQuick   = 40
	afterQuick   = 20
	memoryRounds = "of a process started for it, with " + softLimit
)

// measureMemory tells the peaks of a translator's process, and what it keeps. etcd, the registry and the clients are processes of their
// own.
func measureMemory(ctx context.Context, b *bench) error {
	sizes := []int{large, huge, largest}
	if b.quick {
		sizes = sizes[:1]
	}
	for _, n := range sizes {
		for _, f := range formats() {
			if err := b.peakOfOne(ctx, f, n); err != nil {
				return err
			}
		}
	}
	return b.peakOfMany(ctx)
}

func (b *bench) peakOfOne(ctx context.Context, f format, n int) error {
	s, err := b.stand(ctx, softLimit)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.group(ctx, "one"); err != nil {
		return err
	}
	text := f.encode(edited(n, 0))
	if _, _, err := s.submit(ctx, "one", "kong."+f.name, text); err != nil {
		return err
	}
	// The second time there is a revision to compare with.
	if _, _, err := s.submit(ctx, "one", "kong."+f.name, f.encode(edited(n, 1))); err != nil {
		return err
	}
	_, peak, err := s.process.RSS()
	if err != nil {
		return err
	}
	bound := float64(peakOfLarge)
	if n >= huge {
		bound = manifestLimit / mb
	}
	b.add(report.Figure{
		Name: fmt.Sprintf("%d routes, %s: peak of the process", n, f.name), Value: peak / mb, Unit: "MB", Bound: bound,
		Note: fmt.Sprintf("%s of text, submitted twice; %s", report.Number(float64(len(text))/mb, "MB"), memoryRounds),
	})
	return nil
}

func (b *bench) peakOfMany(ctx context.Context) error {
	s, err := b.stand(ctx, softLimit)
	if err != nil {
		return err
	}
	defer s.Close()
	many, more := storm, afterStorm
	if b.quick {
		many, more = stormQuick, afterQuick
	}
	for c := range clients {
		if err := s.group(ctx, fmt.Sprintf("g-%d", c)); err != nil {
			return err
		}
	}
	text := func(i int) []byte {
		return routes.Config{N: large, Salt: fmt.Sprintf("-%d", i)}.YAML()
	}
	all, now := errgroup.WithContext(ctx)
	for c := range clients {
		all.Go(func() error {
			for i := c; i < many; i += clients {
				if err := s.insist(now, fmt.Sprintf("g-%d", c), text(i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	_, peak, err := s.process.RSS()
	if err != nil {
		return err
	}
	b.add(report.Figure{
		Name: fmt.Sprintf("%d submissions of %d routes, %d at once: peak", many, large, clients), Value: peak / mb, Unit: "MB",
		Bound: manifestLimit / mb,
		Note:  fmt.Sprintf("%s of YAML at once, none alike; %s", report.Number(float64(clients*len(text(0)))/mb, "MB"), memoryRounds),
	})
	for i := range more {
		if err := s.insist(ctx, "g-0", text(many+i)); err != nil {
			return err
		}
	}
	for range 2 {
		if err := s.process.Collect(ctx); err != nil {
			return err
		}
	}
	live, err := s.process.Metric(ctx, "go_memstats_heap_alloc_bytes")
	if err != nil {
		return err
	}
	b.add(report.Figure{
		Name: fmt.Sprintf("live heap after %d submissions", many+more), Value: live / mb, Unit: "MB", Bound: liveBound,
		Note: "caches of 64 MiB for sources and 64 MiB for content; after a collection",
	})
	return nil
}

// insist submits until the translator has room, and has answered in time: with so many at once a busy machine needs longer than one may
// wait.
func (s *stand) insist(ctx context.Context, group string, text []byte) error {
	for {
		_, _, err := s.submit(ctx, group, "kong.yaml", text)
		if code := status.Code(err); code != codes.ResourceExhausted && code != codes.DeadlineExceeded {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
}
