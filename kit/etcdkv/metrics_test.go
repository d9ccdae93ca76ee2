package etcdkv_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
)

// sampleOf returns the one sample of a metric with an operation.
func sampleOf(t *testing.T, r *prometheus.Registry, name, operation string) *dto.Metric {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == operation {
				return m
			}
		}
	}
	t.Fatalf("no %s of %s", name, operation)
	return nil
}

func TestRequestsThatEtcdDoesNotAnswerAreCounted(t *testing.T) {
	r := prometheus.NewRegistry()
	client, err := etcdkv.Dial(etcdkv.Config{Endpoints: []string{"127.0.0.1:1"}, Metrics: etcdkv.NewMetrics(r)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := client.Get(ctx, "a"); err == nil {
		t.Fatal("nobody listens, and somebody answers")
	}
	if n := sampleOf(t, r, "silverback_etcd_request_failures_total", "range").GetCounter().GetValue(); n < 1 {
		t.Errorf("%v failures are counted", n)
	}
	if n := sampleOf(t, r, "silverback_etcd_request_seconds", "range").GetHistogram().GetSampleCount(); n < 1 {
		t.Errorf("%v requests are counted", n)
	}
	if n := sampleOf(t, r, "silverback_etcd_request_failures_total", "txn").GetCounter().GetValue(); n != 0 {
		t.Errorf("%v failed transactions are counted, and there was none", n)
	}
	given, giveUp := context.WithCancel(t.Context())
	giveUp()
	before := sampleOf(t, r, "silverback_etcd_request_failures_total", "range").GetCounter().GetValue()
	if _, err := client.Get(given, "a"); err == nil {
		t.Fatal("nobody listens, and somebody answers")
	}
	if n := sampleOf(t, r, "silverback_etcd_request_failures_total", "range").GetCounter().GetValue(); n != before {
		t.Error("who gave up by itself is counted as let down")
	}
}
