package etcdkv

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/backoff"
)

const (
	// sizeInterval is how often the members of etcd are asked for their size. Each answer needs a connection of its own.
	sizeInterval = 30 * time.Second
	percents     = 100
)

// A MemberSize is the size of the database of a member of etcd.
type MemberSize struct {
	Endpoint string
	File     int64 // etcd compares this with the quota
	InUse    int64 // of the file; a defragmentation frees the rest
	Quota    int64 // above which etcd takes no writes; 0: not known
}

// Percent returns how full the member is, rounded down. It returns 0 when its quota is not known.
func (m MemberSize) Percent() int64 {
	if m.Quota <= 0 {
		return 0
	}
	return m.File * percents / m.Quota
}

// A SizeProbe reads the size of each member of etcd. It is a collector of metrics.
type SizeProbe struct {
	client *clientv3.Client
	quota  int64

	mu    sync.Mutex
	sizes []MemberSize
}

// NewSizeProbe returns a probe, which is idle until Run. quota is used for members that do not report theirs: those before etcd 3.6. 0 is
// unknown.
func NewSizeProbe(client *clientv3.Client, quota int64) *SizeProbe {
	return &SizeProbe{client: client, quota: quota}
}

// Run reads the sizes until ctx ends, and returns its cause.
func (p *SizeProbe) Run(ctx context.Context) error {
	for {
		sizes := p.ask(ctx)
		p.mu.Lock()
		p.sizes = sizes
		p.mu.Unlock()
		if err := backoff.Sleep(ctx, sizeInterval); err != nil {
			return err
		}
	}
}

// ask asks every endpoint. It leaves out those that do not answer: their last size may be obsolete.
func (p *SizeProbe) ask(ctx context.Context) (all []MemberSize) {
	for _, endpoint := range p.client.Endpoints() {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		status, err := p.client.Status(ctx, endpoint)
		cancel()
		if err == nil {
			all = append(all, sizeOf(endpoint, status, p.quota))
		}
	}
	return all
}

// sizeOf returns the size that a member reports. quota is used for a member that does not report its own.
func sizeOf(endpoint string, status *clientv3.StatusResponse, quota int64) MemberSize {
	if status.DbSizeQuota > 0 {
		quota = status.DbSizeQuota
	}
	return MemberSize{Endpoint: endpoint, File: status.DbSize, InUse: status.DbSizeInUse, Quota: quota}
}

// Sizes returns the size of each member that answered the last request.
func (p *SizeProbe) Sizes() []MemberSize {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sizes
}

var (
	sizeMetric = prometheus.NewDesc("silverback_etcd_size_bytes",
		"Size of the database file of an etcd member. Above its quota the member takes no writes.", []string{"endpoint"}, nil)
	inUseMetric = prometheus.NewDesc("silverback_etcd_size_in_use_bytes",
		"Bytes in use in the database file of an etcd member. A defragmentation frees the rest.", []string{"endpoint"}, nil)
	quotaMetric = prometheus.NewDesc("silverback_etcd_quota_bytes",
		"Quota of an etcd member. It is absent when neither the member nor a flag gives it.", []string{"endpoint"}, nil)
)

// Describe implements prometheus.Collector.
func (p *SizeProbe) Describe(to chan<- *prometheus.Desc) {
	to <- sizeMetric
	to <- inUseMetric
	to <- quotaMetric
}

// Collect implements prometheus.Collector.
func (p *SizeProbe) Collect(to chan<- prometheus.Metric) {
	for _, m := range p.Sizes() {
		to <- prometheus.MustNewConstMetric(sizeMetric, prometheus.GaugeValue, float64(m.File), m.Endpoint)
		to <- prometheus.MustNewConstMetric(inUseMetric, prometheus.GaugeValue, float64(m.InUse), m.Endpoint)
		if m.Quota > 0 {
			to <- prometheus.MustNewConstMetric(quotaMetric, prometheus.GaugeValue, float64(m.Quota), m.Endpoint)
		}
	}
}
