package main

import (
	"context"
	"fmt"

	"github.com/silverback-gateway/silverback/test/load/report"
	"github.com/silverback-gateway/silverback/test/load/routes"
)

type format struct {
	name   string
	encode func(routes.Config) []byte
	bound  float64 // of a submission of 10,000 routes, in seconds
}

func formats() []format {
	return []format{{"JSON", routes.Config.JSON, 0.5}, {"YAML", routes.Config.YAML, 0.8}}
}

// oneRouteBound is for one route in 10,000, in seconds.
const oneRouteBound = 0.3

// measureSubmit times submissions from the call to the answer: parse, merge, canonical bytes, chunks, and the transaction.
func measureSubmit(ctx context.Context, b *bench) error {
	s, err := b.stand(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := warmUp(ctx, s); err != nil {
		return err
	}
	for _, f := range formats() {
		for _, n := range []int{1000, large} {
			if err := b.submitNew(ctx, s, f, n); err != nil {
				return err
			}
		}
		if err := b.submitEdits(ctx, s, f); err != nil {
			return err
		}
	}
	return nil
}

// warmUp submits once, so that connections stand and code is paged in.
func warmUp(ctx context.Context, s *stand) error {
	if err := s.group(ctx, "warm-up"); err != nil {
		return err
	}
	_, _, err := s.submit(ctx, "warm-up", "kong.yaml", edited(1000, 0).YAML())
	return err
}

// submitNew submits to groups that have nothing yet, and content that etcd has not seen.
func (b *bench) submitNew(ctx context.Context, s *stand, f format, n int) error {
	var took []float64
	var size int64
	for round := range b.rounds() {
		group := fmt.Sprintf("%s-%d-%d", map[string]string{"JSON": "json", "YAML": "yaml"}[f.name], n, round)
		if err := s.group(ctx, group); err != nil {
			return err
		}
		config := edited(n, 0)
		config.Salt = group
		revision, d, err := s.submit(ctx, group, "kong."+f.name, f.encode(config))
		if err != nil {
			return err
		}
		took, size = append(took, seconds(d)), revision.GetSizeBytes()
	}
	figure := report.Figure{
		Name: fmt.Sprintf("%d routes, %s", n, f.name), Value: report.Median(took), Unit: "s",
		Note: fmt.Sprintf("%s canonical; median of %d", report.Number(float64(size)/mb, "MB"), len(took)),
	}
	if n == large {
		figure.Bound = f.bound
	}
	b.add(figure)
	return nil
}

func (b *bench) submitEdits(ctx context.Context, s *stand, f format) error {
	group := "edit-" + map[string]string{"JSON": "json", "YAML": "yaml"}[f.name]
	if err := s.group(ctx, group); err != nil {
		return err
	}
	if _, _, err := s.submit(ctx, group, "kong."+f.name, f.encode(edited(large, 0))); err != nil {
		return err
	}
	var took []float64
	for round := range b.rounds() {
		_, d, err := s.submit(ctx, group, "kong."+f.name, f.encode(edited(large, round+1)))
		if err != nil {
			return err
		}
		took = append(took, seconds(d))
	}
	b.add(report.Figure{
		Name: fmt.Sprintf("1 route changed in %d, %s", large, f.name), Value: report.Median(took), Unit: "s", Bound: oneRouteBound,
		Note: fmt.Sprintf("the whole file is submitted; median of %d", len(took)),
	})
	return nil
}
