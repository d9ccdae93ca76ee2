package registry

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/session"
	"github.com/silverback-gateway/silverback/services/registry/internal/view"
)

// collector counts at the time it is asked, so that a group that is gone leaves no series behind.
type collector struct {
	view *view.View
	book *session.Book
}

func nodesDesc() *prometheus.Desc {
	return prometheus.NewDesc("silverback_registry_nodes", "Nodes by group and state.", []string{"group", "state"}, nil)
}

func sessionsDesc() *prometheus.Desc {
	return prometheus.NewDesc("silverback_registry_sessions", "Sessions that this replica holds.", nil, nil)
}

func watchersDesc() *prometheus.Desc {
	return prometheus.NewDesc("silverback_registry_watchers", "Watches that are open on this replica.", nil, nil)
}

func bundlesDesc() *prometheus.Desc {
	return prometheus.NewDesc("silverback_registry_schema_bundles", "Bundles of schemas that are stored.", nil, nil)
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	to <- nodesDesc()
	to <- sessionsDesc()
	to <- watchersDesc()
	to <- bundlesDesc()
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	counts := map[fleet.GroupID]map[roster.State]int{}
	for _, m := range c.view.Members(func(view.Member) bool { return true }) {
		if counts[m.Key.Group] == nil {
			counts[m.Key.Group] = map[roster.State]int{}
		}
		counts[m.Key.Group][m.State()]++
	}
	for group, states := range counts {
		for state, name := range roster.States() {
			to <- prometheus.MustNewConstMetric(nodesDesc(), prometheus.GaugeValue, float64(states[state]), string(group), name)
		}
	}
	to <- prometheus.MustNewConstMetric(sessionsDesc(), prometheus.GaugeValue, float64(c.book.Count()))
	to <- prometheus.MustNewConstMetric(watchersDesc(), prometheus.GaugeValue, float64(c.view.Watchers()))
	to <- prometheus.MustNewConstMetric(bundlesDesc(), prometheus.GaugeValue, float64(c.view.Bundles()))
}
