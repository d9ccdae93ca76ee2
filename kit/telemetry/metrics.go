package telemetry

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/silverback-gateway/silverback/kit/build"
)

// NewMetrics returns a registry with the metrics that every process has.
func NewMetrics() *prometheus.Registry {
	r := prometheus.NewRegistry()
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "silverback_build_info", Help: "1, with the version of this build."},
		[]string{"version", "go_version"})
	info.WithLabelValues(build.Version(), runtime.Version()).Set(1)
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), info)
	return r
}
