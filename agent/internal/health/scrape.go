package health

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/silverback-gateway/silverback/kong/proof"
)

// What is read of Kong's metrics, as 3.9 names them, and how much at most. A gateway counts each route by itself, so their number has no
// bound of its own: lines are read as they come, and only sums are kept.
const (
	requestsMetric = "kong_http_requests_total"
	bucketMetric   = "kong_request_latency_ms_bucket"

	maxMetrics = 32 << 20
	maxLine    = 16 << 10
	batchSize  = 64 << 10
)

// ours marks the requests of the agent's proofs.
var ours = []byte(`route="` + proof.RouteName + `"`)

// ErrTooLarge means that the gateway's metrics exceed maxMetrics.
var ErrTooLarge = errors.New("the gateway's metrics are too large")

// ReadSample adds up what Kong's Prometheus plugin exports. The time of the sample is the caller's to set.
func ReadSample(from io.Reader) (Sample, error) {
	s := &sums{buckets: map[float64]float64{}}
	limited := &io.LimitedReader{R: from, N: maxMetrics}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	var batch bytes.Buffer
	for lines.Scan() {
		line := lines.Bytes()
		if !named(line, requestsMetric) && !named(line, bucketMetric) || bytes.Contains(line, ours) {
			continue
		}
		batch.Write(line)
		batch.WriteByte('\n')
		if batch.Len() > batchSize {
			if err := s.add(&batch); err != nil {
				return Sample{}, err
			}
		}
	}
	if limited.N <= 0 {
		return Sample{}, ErrTooLarge
	}
	if err := lines.Err(); err != nil {
		return Sample{}, fmt.Errorf("read the gateway's metrics: %w", err)
	}
	if err := s.add(&batch); err != nil {
		return Sample{}, err
	}
	return s.sample(), nil
}

func named(line []byte, metric string) bool {
	rest, ok := bytes.CutPrefix(line, []byte(metric))
	return ok && len(rest) > 0 && (rest[0] == '{' || rest[0] == ' ')
}

// sums adds up the lines read so far.
type sums struct {
	counted                             bool
	requests, errors, refused, upstream float64
	buckets                             map[float64]float64
}

// add parses whole lines, and empties the batch. Without the comments before them all metrics are of no type, each line by itself.
func (s *sums) add(batch *bytes.Buffer) error {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(batch)
	batch.Reset()
	if err != nil {
		return errors.New("the gateway's metrics are not in Prometheus text format") // the parser's error repeats the text
	}
	for _, m := range families[requestsMetric].GetMetric() {
		s.counted = true
		s.requests += m.GetUntyped().GetValue()
		code, err := strconv.Atoi(label(m, "code"))
		own := label(m, "source") != "service" // "kong", or absent in some versions
		switch {
		case err != nil:
		case code >= 500:
			s.errors += m.GetUntyped().GetValue()
			if own && code >= 502 && code <= 504 {
				s.upstream += m.GetUntyped().GetValue()
			}
		case code >= 400 && own:
			s.refused += m.GetUntyped().GetValue()
		}
	}
	for _, m := range families[bucketMetric].GetMetric() {
		if bound, err := strconv.ParseFloat(label(m, "le"), 64); err == nil {
			s.buckets[bound] += m.GetUntyped().GetValue()
		}
	}
	return nil
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

func (s *sums) sample() Sample {
	out := Sample{Counted: s.counted, Requests: s.requests, Errors: s.errors, Refused: s.refused, Upstream: s.upstream}
	for bound, n := range s.buckets {
		out.Buckets = append(out.Buckets, Bucket{bound, n})
	}
	slices.SortFunc(out.Buckets, byBound)
	return out
}
