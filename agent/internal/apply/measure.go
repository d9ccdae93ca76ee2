package apply

import (
	"context"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/cost"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// measurement is of a load under way.
type measurement struct {
	sample cost.Sample
	began  time.Time // of the post
	before int64     // memory of the workers; 0 when it is not known
	runs   bool      // the gateway ran the snapshot already, and will not load it
}

// measure begins to measure a load, before its post.
func (a *Applier) measure(ctx context.Context, digest fleet.Digest, canonical []byte, p prepared) measurement {
	m := measurement{sample: cost.Sample{Size: sizeOf(canonical), Digest: digest, Workers: p.workers}}
	if stats, err := a.Gateway.ProcessStats(ctx); err == nil {
		m.before, m.runs = stats.Memory, stats.Hash == p.hash
	}
	return m
}

// measured returns the sample of a load that was proven just now; nil when there was none.
func (a *Applier) measured(ctx context.Context, m measurement) *cost.Sample {
	if m.runs {
		return nil
	}
	m.sample.Serving = time.Since(m.began)
	if stats, err := a.Gateway.ProcessStats(ctx); err == nil {
		m.sample.Memory = stats.Memory
		if m.before > 0 {
			m.sample.Growth = max(stats.Memory-m.before, 0)
		}
	}
	return &m.sample
}

// sizeOf returns the size of a snapshot in canonical form.
func sizeOf(canonical []byte) cost.Size {
	s := cost.Size{Bytes: int64(len(canonical))}
	// The bytes were checked against their digest; a fault of layout would only make the count too small.
	_ = snapshot.Scan(canonical, func(kind string, _ []byte, _ int) {
		s.Entities++
		if kind == "routes" {
			s.Routes++
		}
	})
	return s
}
