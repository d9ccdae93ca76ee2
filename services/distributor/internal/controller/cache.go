package controller

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kit/watchcache"
	"github.com/silverback-gateway/silverback/kit/wire"
	"github.com/silverback-gateway/silverback/kong/cost"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
	"github.com/silverback-gateway/silverback/services/distributor/internal/recovery"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

type nodeKey struct {
	group fleet.GroupID
	node  fleet.NodeID
}

// Cache holds what the other services know. Every replica keeps it, so that a new leader can decide at once.
type Cache struct {
	revisions *watchcache.Cache[fleet.GroupID, head]
	groups    *watchcache.Cache[fleet.GroupID, rollout.Policy]
	nodes     *watchcache.Cache[nodeKey, member]
}

// A head is the newest revision of a group.
type head struct {
	rollout.Target
	seen event.Head
}

// Sessions are those of this replica's agents.
type Sessions interface {
	// Enrolled is called for each node in contact, with the boot id of its agent.
	Enrolled(group fleet.GroupID, node fleet.NodeID, boot string)
	// Quarantine is called for each node and says whether it is in quarantine.
	Quarantine(group fleet.GroupID, node fleet.NodeID, in bool)
}

// A member is a node as the registry knows it.
type member struct {
	rollout.Node
	quarantine *string // why it is in quarantine; nil when it is not
	drift      *string // how its gateway drifted; nil when it did not

	boot      string // of the enrolled agent; empty when the registry is of an older version
	inContact bool   // its agent sends heartbeats, whether or not rollouts count the node
}

// NewCache returns an empty cache. Sessions is called for every node of the registry and must not block.
func NewCache(translator translatorv1.TranslatorServiceClient, registry registryv1.RegistryServiceClient, sessions Sessions,
	log *slog.Logger) *Cache {
	lost := func(what string) func(error) {
		return func(err error) {
			log.Warn("watch broke; the cache keeps what it has", "watch", what, telemetry.Err, rpc.Why(err))
		}
	}
	return &Cache{
		revisions: watchcache.New(revisions(translator), lost("revisions")),
		groups:    watchcache.New(groups(registry), lost("groups")),
		nodes:     watchcache.New(nodes(registry, sessions), lost("nodes")),
	}
}

// Run keeps the cache up to date until ctx ends.
func (c *Cache) Run(ctx context.Context) error {
	return run.All(ctx, c.revisions.Run, c.groups.Run, c.nodes.Run)
}

// Wait returns once the cache is complete, or with the cause of ctx.
func (c *Cache) Wait(ctx context.Context) error {
	for _, synced := range []<-chan struct{}{c.revisions.Synced(), c.groups.Synced(), c.nodes.Synced()} {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-synced:
		}
	}
	return nil
}

// Nodes returns the known nodes of each group.
func (c *Cache) Nodes() map[fleet.GroupID][]rollout.Node {
	all := map[fleet.GroupID][]rollout.Node{}
	c.nodes.Each(func(k nodeKey, n member) { all[k.group] = append(all[k.group], n.Node) })
	return all
}

// NodesOf returns the known nodes of one group.
func (c *Cache) NodesOf(group fleet.GroupID) (all []rollout.Node) {
	c.nodes.Each(func(k nodeKey, n member) {
		if k.group == group {
			all = append(all, n.Node)
		}
	})
	return all
}

// Holder returns the boot id of the agent that holds a node's name, and a channel that is closed when that may have changed. It is empty
// when any agent may take the name: the node is not in contact or unknown, or the registry does not answer. An outage of the registry must
// not lock out a restarted agent.
func (c *Cache) Holder(group fleet.GroupID, node fleet.NodeID) (boot string, changed <-chan struct{}) {
	changed = c.nodes.Changes()
	n, known := c.nodes.Get(nodeKey{group, node})
	if !known || !n.inContact || !c.nodes.Current() {
		return "", changed
	}
	return n.boot, changed
}

// HasGates reports whether the policy of a group has gates.
func (c *Cache) HasGates(group fleet.GroupID) bool {
	policy, _ := c.groups.Get(group)
	return fleet.Policy(policy).HasGates()
}

// HasGroup reports whether the registry has a group.
func (c *Cache) HasGroup(group fleet.GroupID) bool {
	_, known := c.groups.Get(group)
	return known
}

// Followed returns the last decisions that nodes follow, by their reports to the registry. Complete is false until the first list is read.
func (c *Cache) Followed() (all []recovery.Node, complete bool) {
	select {
	case <-c.nodes.Synced():
		complete = true
	default:
	}
	c.nodes.Each(func(k nodeKey, n member) {
		all = append(all, recovery.Node{Group: k.group, Node: k.node, Online: n.Online, Followed: n.Followed})
	})
	return all, complete
}

// targets returns the newest revision of each group.
func (c *Cache) targets() map[fleet.GroupID]rollout.Target {
	all := map[fleet.GroupID]rollout.Target{}
	c.revisions.Each(func(id fleet.GroupID, h head) { all[id] = h.Target })
	return all
}

// Marks are what events tell of nodes.
type Marks struct {
	Quarantined []event.Mark
	Drifted     []event.Mark
}

// Marks returns what events tell of the nodes of each group.
func (c *Cache) Marks() map[fleet.GroupID]Marks {
	all := map[fleet.GroupID]Marks{}
	c.nodes.Each(func(k nodeKey, n member) {
		if n.quarantine == nil && n.drift == nil {
			return
		}
		m := all[k.group]
		if n.quarantine != nil {
			m.Quarantined = append(m.Quarantined, event.Mark{Node: k.node, Reason: *n.quarantine})
		}
		if n.drift != nil {
			m.Drifted = append(m.Drifted, event.Mark{Node: k.node, Reason: *n.drift})
		}
		all[k.group] = m
	})
	return all
}

func revisions(client translatorv1.TranslatorServiceClient) watchcache.Source[fleet.GroupID, head] {
	type event = watchcache.Event[fleet.GroupID, head]
	type message = *translatorv1.WatchRevisionsResponse
	return watchcache.FromStream(func(ctx context.Context, token string) (watchcache.Stream[message], error) {
		return client.WatchRevisions(ctx, &translatorv1.WatchRevisionsRequest{ResumeToken: token})
	}, func(m message) event {
		switch e := m.GetEvent().(type) {
		case *translatorv1.WatchRevisionsResponse_Listing_:
			return event{Listing: true}
		case *translatorv1.WatchRevisionsResponse_Revision:
			r := e.Revision
			return event{Put: []watchcache.Item[fleet.GroupID, head]{{Key: fleet.GroupID(r.GetGroup()), Value: head{Target: rollout.Target{
				Revision: fleet.Revision(r.GetNumber()), Digest: fleet.Digest(r.GetDigest()), CreateTime: r.GetCreateTime().AsTime(),
				Trace: telemetry.TraceParent(r.GetTraceparent()), Replaces: strings.Join(r.GetReplacesUnmanaged(), " "),
				Size: cost.SizeOf(r.GetEntities(), r.GetSizeBytes()), Streak: wire.Streak(r.GetTargetStreak()),
			}, seen: headOf(r, m.GetPinned())}}}}
		case *translatorv1.WatchRevisionsResponse_Synced_:
			return event{Synced: true, Token: e.Synced.GetResumeToken()}
		}
		return event{}
	})
}

// headOf returns what events tell of the newest revision of a group.
func headOf(r *translatorv1.Revision, pinned *translatorv1.WatchRevisionsResponse_PinnedSources) event.Head {
	h := event.Head{Revision: fleet.Revision(r.GetNumber()), Source: fleet.SourceID(r.GetSource()), Author: r.GetAuthor(),
		Message: clean.Line(r.GetMessage(), clean.MaxMessage), SaysPins: pinned != nil}
	for _, p := range pinned.GetSources() {
		h.Pins = append(h.Pins, event.Pin{
			Source: fleet.SourceID(p.GetSource()), Time: p.GetPin().GetCreateTime().AsTime(), Rollout: fleet.RolloutID(p.GetPin().GetRollout()),
			Author: p.GetPin().GetAuthor(), Reason: p.GetPin().GetReason(),
		})
	}
	return h
}

func groups(client registryv1.RegistryServiceClient) watchcache.Source[fleet.GroupID, rollout.Policy] {
	type event = watchcache.Event[fleet.GroupID, rollout.Policy]
	type item = watchcache.Item[fleet.GroupID, rollout.Policy]
	type message = *registryv1.WatchGroupsResponse
	return watchcache.FromStream(func(ctx context.Context, token string) (watchcache.Stream[message], error) {
		return client.WatchGroups(ctx, &registryv1.WatchGroupsRequest{ResumeToken: token})
	}, func(m message) event {
		switch e := m.GetEvent().(type) {
		case *registryv1.WatchGroupsResponse_Listing_:
			return event{Listing: true}
		case *registryv1.WatchGroupsResponse_Upserted:
			return event{Put: []item{{Key: fleet.GroupID(e.Upserted.GetName()), Value: rollout.Policy(wire.Policy(e.Upserted.GetPolicy()))}}}
		case *registryv1.WatchGroupsResponse_Deleted:
			return event{Deleted: []item{{Key: fleet.GroupID(e.Deleted)}}}
		case *registryv1.WatchGroupsResponse_Synced_:
			return event{Synced: true, Token: e.Synced.GetResumeToken()}
		}
		return event{}
	})
}

func nodes(client registryv1.RegistryServiceClient, sessions Sessions) watchcache.Source[nodeKey, member] {
	type event = watchcache.Event[nodeKey, member]
	type item = watchcache.Item[nodeKey, member]
	type message = *registryv1.WatchNodesResponse
	return watchcache.FromStream(func(ctx context.Context, token string) (watchcache.Stream[message], error) {
		return client.WatchNodes(ctx, &registryv1.WatchNodesRequest{ResumeToken: token})
	}, func(m message) event {
		switch e := m.GetEvent().(type) {
		case *registryv1.WatchNodesResponse_Listing_:
			return event{Listing: true}
		case *registryv1.WatchNodesResponse_Upserted:
			n := e.Upserted
			key := nodeKey{fleet.GroupID(n.GetGroup()), fleet.NodeID(n.GetName())}
			if online(n.GetState()) && n.GetBootId() != "" {
				sessions.Enrolled(key.group, key.node, n.GetBootId())
			}
			sessions.Quarantine(key.group, key.node, n.GetQuarantine() != nil)
			gateway := wire.Gateway(n.GetCapabilities(), n.GetStatus())
			loaded, strain := gateway.Strain()
			return event{Put: []item{{Key: key, Value: member{
				quarantine: quarantine(n.GetQuarantine()), drift: drift(n.GetStatus()),
				Node: rollout.Node{
					Name: key.node, Position: fleet.Position(key.group, key.node), Labels: n.GetLabels(), Sick: sick(n.GetStatus()),
					Online: online(n.GetState()) && !cutOff(n.GetStatus()) && n.GetQuarantine() == nil,
					Followed: fleet.Stamp{Epoch: fleet.Epoch(n.GetStatus().GetEpoch()), Decision: fleet.Decision(n.GetStatus().GetDecision()),
						Term: fleet.Term(n.GetStatus().GetTerm()), TermID: fleet.TermID(n.GetStatus().GetTermId())},
					Gateway: gateway, Loaded: loaded, Strain: strain,
				}, boot: n.GetBootId(), inContact: online(n.GetState()),
			}}}}
		case *registryv1.WatchNodesResponse_Deleted_:
			key := nodeKey{fleet.GroupID(e.Deleted.GetGroup()), fleet.NodeID(e.Deleted.GetNode())}
			sessions.Quarantine(key.group, key.node, false)
			return event{Deleted: []item{{Key: key}}}
		case *registryv1.WatchNodesResponse_Synced_:
			return event{Synced: true, Token: e.Synced.GetResumeToken()}
		}
		return event{}
	})
}

// online reports whether a node in this state is in contact.
func online(s registryv1.Node_State) bool {
	switch s {
	case registryv1.Node_STATE_JOINING, registryv1.Node_STATE_READY, registryv1.Node_STATE_DEGRADED, registryv1.Node_STATE_DRAINING,
		registryv1.Node_STATE_UNMANAGED:
		return true
	}
	return false
}

// quarantine returns why a node is in quarantine; nil when it is not.
func quarantine(q *registryv1.Quarantine) *string {
	if q == nil {
		return nil
	}
	reason := q.GetReason()
	return &reason
}

// drift returns how the gateway of a node drifted; nil when it did not.
func drift(status *fleetv1.NodeStatus) *string {
	for _, c := range status.GetConditions() {
		if c.GetType() == "Drift" {
			message := c.GetMessage()
			return &message
		}
	}
	return nil
}

// cutOff reports whether a node's agent has had no stream to a distributor for longer than a replica takes to stop. It sends heartbeats to
// the registry but cannot get directives, so that rollouts count it as offline.
func cutOff(status *fleetv1.NodeStatus) bool {
	return slices.ContainsFunc(status.GetConditions(), func(c *fleetv1.Condition) bool { return c.GetType() == "DistributorUnreachable" })
}

// sick names the condition that keeps a node from serving anything new; empty when there is none. Conditions that do not keep a gateway
// from loading do not count, such as a failing probe or a refused snapshot. A gateway that never got a directive may still be starting.
func sick(status *fleetv1.NodeStatus) string {
	for _, c := range status.GetConditions() {
		switch kind := c.GetType(); kind {
		case "StateDirectory":
			return kind
		case "GatewayUnreachable", "GatewayNotReady", "GatewayLost", "LoadFailing", "RestoreFailing":
			if status.GetDecision() > 0 {
				return kind
			}
		}
	}
	return ""
}
