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
	// sizeInterval is how often the members of etcd are asked for their size. Each answer takes a connection of its own.
	sizeInterval = 30 * time.Second
	percents     = 100
)

// A MemberSize is the size of the database of a member of etcd.
type MemberSize struct {
	Endpoint string
	File     int64 // what the member measures against its quota
	InUse    int64 // of the file; the rest is given back by a defragmentation
	Quota    int64 // above which etcd takes no writes; 0: not known
}

// Percent returns how full the member is, rounded down; 0 when its quota is not known.
func (m MemberSize) Percent() int64 {
	if m.Quota <= 0 {
		return 0
	}
	return m.File * percents / m.Quota
}

// A SizeProbe looks at the size of each member of etcd. It is a collector of metrics.
type SizeProbe struct {
	client *clientv3.Client
	quota  int64

	mu    sync.Mutex
	sizes []MemberSize
}

// NewSizeProbe returns a probe, which does nothing before Run. The quota is that of members that do not tell theirs, which those before
// etcd 3.6 do not; 0 is not known.
func NewSizeProbe(client *clientv3.Client, quota int64) *SizeProbe {
	return &SizeProbe{client: client, quota: quota}
}

// Run looks at the members until ctx ends, and returns its cause.
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

// ask asks every endpoint. One that does not answer is left out: what it was before says nothing.
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

// sizeOf returns what a member says of its size; quota is for one that does not tell its own.
func sizeOf(endpoint string, status *clientv3.StatusResponse, quota int64) MemberSize {
	if status.DbSizeQuota > 0 {
		quota = status.DbSizeQuota
	}
	return MemberSize{Endpoint: endpoint, File: status.DbSize, InUse: status.DbSizeInUse, Quota: quota}
}

// Sizes returns the size of each member that answered last time.
func (p *SizeProbe) Sizes() []MemberSize {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sizes
}

var (
	sizeMetric = prometheus.NewDesc("silverback_etcd_size_bytes",
		"Size of the database file of a member of etcd, which takes no writes above its quota.", []string{"endpoint"}, nil)
	inUseMetric = prometheus.NewDesc("silverback_etcd_size_in_use_bytes",
		"How much of the database file of a member of etcd is in use. A defragmentation gives the rest back.", []string{"endpoint"}, nil)
	quotaMetric = prometheus.NewDesc("silverback_etcd_quota_bytes",
		"Quota of a member of etcd. It is absent when the member does not tell it and no flag does.", []string{"endpoint"}, nil)
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
