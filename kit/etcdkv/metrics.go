package etcdkv

import (
	"context"
	"path"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
)

// Metrics are the metrics of a client of etcd. A nil Metrics records nothing.
type Metrics struct {
	took   *prometheus.HistogramVec
	failed *prometheus.CounterVec
}

// NewMetrics registers the metrics of a client.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "silverback_etcd_request_seconds", Help: "Duration of one attempt of a request to etcd, including failed ones. Watches and " +
				"keep-alives are streams and not included.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15), // 0.5 ms to 8 s
		}, []string{"operation"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "silverback_etcd_request_failures_total", Help: "Attempts of requests to etcd that got no answer.",
		}, []string{"operation"}),
	}
	for _, operation := range []string{"range", "put", "delete_range", "txn", "lease_grant", "lease_revoke"} {
		m.took.WithLabelValues(operation)
		m.failed.WithLabelValues(operation)
	}
	r.MustRegister(m.took, m.failed)
	return m
}

// dialOption counts every attempt: it runs below the client's retries.
func (m *Metrics) dialOption() grpc.DialOption {
	return grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn,
		invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
		began := time.Now()
		err := invoke(ctx, method, request, reply, conn, options...)
		operation := operationOf(method)
		m.took.WithLabelValues(operation).Observe(time.Since(began).Seconds())
		if err != nil && context.Cause(ctx) != context.Canceled { //nolint:errorlint // who gave up by itself was not let down
			m.failed.WithLabelValues(operation).Inc()
		}
		return err
	})
}

// operationOf returns the label of a method: /etcdserverpb.Lease/LeaseGrant is lease_grant.
func operationOf(method string) string {
	var label strings.Builder
	for i, c := range path.Base(method) {
		if c >= 'A' && c <= 'Z' {
			if i > 0 {
				label.WriteByte('_')
			}
			c += 'a' - 'A'
		}
		label.WriteRune(c)
	}
	return label.String()
}
