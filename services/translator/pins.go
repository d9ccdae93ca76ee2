package translator

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/silverback-gateway/silverback/services/translator/internal/store"
)

// pinnedSources counts the pinned sources of every group when metrics are read, as the heads of the groups name them.
type pinnedSources struct {
	heads *store.Heads
	desc  *prometheus.Desc
}

func newPinnedSources(heads *store.Heads) pinnedSources {
	return pinnedSources{heads, prometheus.NewDesc("silverback_translator_pinned_sources",
		"Sources that are pinned, by group and by what pinned them: a rollout or an operator by hand.", []string{"group", "by"}, nil)}
}

// Describe implements prometheus.Collector.
func (p pinnedSources) Describe(all chan<- *prometheus.Desc) { all <- p.desc }

// Collect implements prometheus.Collector.
func (p pinnedSources) Collect(all chan<- prometheus.Metric) {
	for _, h := range p.heads.All() {
		if h.Revision == nil {
			continue
		}
		hand := 0
		for i := range h.Revision.Pins {
			if h.Revision.Pins[i].Pin.ByHand() {
				hand++
			}
		}
		for by, n := range map[string]int{"hand": hand, "rollout": len(h.Revision.Pins) - hand} {
			all <- prometheus.MustNewConstMetric(p.desc, prometheus.GaugeValue, float64(n), string(h.Group), by)
		}
	}
}
