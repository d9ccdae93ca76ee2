package registry

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/session"
	"github.com/silverback-gateway/silverback/services/registry/internal/view"
)

// collector counts when it is collected, so that a deleted group leaves no series behind.
type collector struct {
	view     *view.View
	sessions *session.Sessions
}

func nodesDesc() *prometheus.Desc {
	return prometheus.NewDesc("silverback_nodes", "Nodes by group and state.", []string{"group", "state"}, nil)
}

func revisionNodesDesc() *prometheus.Desc {
	return prometheus.NewDesc("silverback_revision_nodes", "Nodes in contact, by the revision that they were proven to serve; 0 is none.",
		[]string{"group", "revision"}, nil)
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
	to <- revisionNodesDesc()
	to <- sessionsDesc()
	to <- watchersDesc()
	to <- bundlesDesc()
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	states, revisions := map[fleet.GroupID]map[roster.State]int{}, map[fleet.GroupID]map[int64]int{}
	for _, m := range c.view.Members(func(view.Member) bool { return true }) {
		count(states, m.Key.Group, m.State())
		if m.Current.Session != nil {
			count(revisions, m.Key.Group, revisionOf(m.Report()))
		}
	}
	for group, counted := range states {
		for state, name := range roster.States() {
			to <- prometheus.MustNewConstMetric(nodesDesc(), prometheus.GaugeValue, float64(counted[state]), string(group), name)
		}
	}
	for group, counted := range revisions {
		for revision, n := range counted {
			to <- prometheus.MustNewConstMetric(revisionNodesDesc(), prometheus.GaugeValue, float64(n), string(group),
				strconv.FormatInt(revision, 10))
		}
	}
	to <- prometheus.MustNewConstMetric(sessionsDesc(), prometheus.GaugeValue, float64(c.sessions.Count()))
	to <- prometheus.MustNewConstMetric(watchersDesc(), prometheus.GaugeValue, float64(c.view.Watchers()))
	to <- prometheus.MustNewConstMetric(bundlesDesc(), prometheus.GaugeValue, float64(len(c.view.Bundles())))
}

func count[K comparable](all map[fleet.GroupID]map[K]int, group fleet.GroupID, key K) {
	if all[group] == nil {
		all[group] = map[K]int{}
	}
	all[group][key]++
}

// revisionOf returns the reported revision; 0 when there is none.
func revisionOf(r roster.Report) int64 {
	var said fleetv1.NodeStatus
	if err := proto.Unmarshal(r.Full, &said); err != nil {
		return 0
	}
	return said.GetRevision()
}
