package observability_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

// memory is what a Prometheus would have scraped.
type memory []promql.Series

// load adds a series in promtool's notation: a value at the start and one at every interval after it.
func (m *memory) load(t *testing.T, series, values string, interval time.Duration) {
	t.Helper()
	metric, sequence, err := newParser().ParseSeriesDesc(series + " " + values)
	if err != nil {
		t.Fatalf("%s %s: %v", series, values, err)
	}
	s := promql.Series{Metric: metric}
	for i, v := range sequence {
		if !v.Omitted {
			s.Floats = append(s.Floats, promql.FPoint{T: (time.Duration(i) * interval).Milliseconds(), F: v.Value})
		}
	}
	*m = append(*m, s)
}

// Querier implements storage.Queryable.
func (m *memory) Querier(_, _ int64) (storage.Querier, error) {
	return &storage.MockQuerier{SelectMockFunction: func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
		var found []storage.Series
		for _, s := range *m {
			if matches(s.Metric, matchers) {
				found = append(found, promql.NewStorageSeries(s))
			}
		}
		return &seriesSet{series: found}
	}}, nil
}

func matches(metric labels.Labels, matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if !m.Matches(metric.Get(m.Name)) {
			return false
		}
	}
	return true
}

// seriesSet goes through series.
type seriesSet struct {
	storage.SeriesSet // Err and Warnings, of a set without any
	series            []storage.Series
	at                int
}

// Next implements storage.SeriesSet.
func (s *seriesSet) Next() bool {
	if s.SeriesSet == nil {
		s.SeriesSet = storage.EmptySeriesSet()
		s.at = -1
	}
	s.at++
	return s.at < len(s.series)
}

// At implements storage.SeriesSet.
func (s *seriesSet) At() storage.Series { return s.series[s.at] }

func newParser() parser.Parser { return parser.NewParser(parser.Options{}) }

func newEngine() *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{
		MaxSamples: 1_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, Parser: newParser(),
	})
}

// ask evaluates an expression at a moment, given as the time since the first sample.
func ask(t *testing.T, engine *promql.Engine, m *memory, expr string, at time.Duration) promql.Vector {
	t.Helper()
	query, err := engine.NewInstantQuery(context.Background(), m, nil, expr, time.UnixMilli(at.Milliseconds()))
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	defer query.Close()
	result := query.Exec(t.Context())
	if result.Err != nil {
		t.Fatalf("%s: %v", expr, result.Err)
	}
	switch v := result.Value.(type) {
	case promql.Vector:
		// The engine takes its slices back.
		var kept promql.Vector
		for _, s := range v {
			if !math.IsNaN(s.F) {
				kept = append(kept, promql.Sample{T: s.T, F: s.F, Metric: s.Metric.Copy()})
			}
		}
		return kept
	case promql.Scalar:
		return promql.Vector{{T: v.T, F: v.V}}
	}
	t.Fatalf("%s is a %s", expr, result.Value.Type())
	return nil
}
