package controller

import (
	"context"
	"errors"
	"slices"

	discovery "k8s.io/api/discovery/v1"

	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kong/target"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	"github.com/silverback-gateway/silverback/sources/kubernetes/endpoints"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// drainReason is why targets are drained, for whoever looks.
const drainReason = "the endpoint left"

// maxOwner bounds the name of an owner.
const maxOwner = 63

// drains keeps targets out of gateways that left the cluster, until a revision takes them out.
type drains struct {
	known        bool // what is kept out now
	mine, others []target.Name
	refused      []string                          // upstreams
	served       map[int64]endpoints.Configuration // of revisions
}

// drainOwner is for whom targets are drained: another one for each source. It has the characters that an owner may have.
func drainOwner(source string) string {
	owner := []byte("kubernetes.")
	for _, c := range []byte(source) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-' {
			owner = append(owner, c)
		} else {
			owner = append(owner, '-')
		}
	}
	if len(owner) > maxOwner {
		end := "-" + shortDigest(source)
		return string(owner[:maxOwner-len(end)]) + end
	}
	return string(owner)
}

// observe is what a cluster says of endpoints. It is looked at once for all shares.
func (m *meanings) observe(set *object.Set) endpoints.Cluster {
	if m.observed != set {
		m.observed, m.endpoints = set, endpoints.Observe(object.List[*discovery.EndpointSlice](set, "EndpointSlice"))
	}
	return m.endpoints
}

// drain has the gateways keep out what left. What fails is tried again with the next change, or later.
func (e *engine) drain(ctx context.Context) {
	if !e.DrainEndpoints || e.plan == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := e.drainOnce(ctx); err != nil {
		e.drains.known = false
		e.log.Warn("endpoints that left are not drained", telemetry.Group, e.remote.group, telemetry.Err, err)
		e.later()
	}
}

func (e *engine) drainOnce(ctx context.Context) error {
	d := &e.drains
	served, err := e.servedConfigurations(ctx)
	if err != nil || len(served) == 0 {
		return err
	}
	if !d.known {
		if err := e.readDrains(ctx); err != nil {
			return err
		}
	}
	cluster := e.sources.meanings.observe(e.plan.set)
	present, err := endpoints.Of(e.plan.result, cluster)
	if err != nil {
		return err
	}
	for range maxRounds {
		wanted := endpoints.Decide(endpoints.Input{Served: served, Present: present, Cluster: cluster, Mine: d.mine, Others: d.others,
			Refused: d.refused})
		e.gauges.drained, e.gauges.stays = len(wanted.Names), len(wanted.Left)
		if slices.Equal(wanted.Names, d.mine) {
			return nil
		}
		err := e.updateDrains(ctx, wanted.Names)
		var refusal *client.Error
		if err == nil || !errors.As(err, &refusal) || refusal.Reason != "LAST_TARGET" || refusal.Metadata["upstream"] == "" {
			return err
		}
		d.refused = append(d.refused, refusal.Metadata["upstream"])
	}
	return errors.New("the distributor refuses one set after the other")
}

func (e *engine) updateDrains(ctx context.Context, names []target.Name) error {
	request := &distributorv1.UpdateDrainedTargetsRequest{Group: e.remote.group, Replace: true, Owner: drainOwner(e.remote.source),
		Reason: drainReason}
	for _, n := range names {
		request.Add = append(request.Add, &distributorv1.Target{Upstream: n.Upstream, Target: n.Target})
	}
	if _, err := e.remote.Targets().UpdateDrainedTargets(ctx, request); err != nil {
		return err
	}
	e.drains.mine = names
	e.log.Info("endpoints are drained", telemetry.Group, e.remote.group, "targets", len(names))
	return nil
}

// readDrains learns what is kept out.
func (e *engine) readDrains(ctx context.Context) error {
	d, owner := &e.drains, drainOwner(e.remote.source)
	d.mine, d.others, d.refused = nil, nil, nil
	request := &distributorv1.ListDrainedTargetsRequest{Group: e.remote.group, PageSize: 1000}
	for {
		page, err := e.remote.Targets().ListDrainedTargets(ctx, request)
		if err != nil {
			return err
		}
		for _, t := range page.GetTargets() {
			name := target.Name{Upstream: t.GetUpstream(), Target: t.GetTarget()}
			if t.GetOwner() == owner {
				d.mine = append(d.mine, name)
			} else {
				d.others = append(d.others, name)
			}
		}
		if request.PageToken = page.GetNextPageToken(); request.GetPageToken() == "" {
			break
		}
	}
	slices.SortFunc(d.mine, target.Name.Compare)
	d.known = true
	return nil
}

// servedConfigurations are those of the revisions that gateways run or are told to run.
func (e *engine) servedConfigurations(ctx context.Context) ([]endpoints.Configuration, error) {
	d := &e.drains
	numbers := []int64{e.rollout.GetStableRevision()}
	if e.rollout.GetEndTime() == nil || rolloutOf(e.rollout).Good() == e.rollout.GetCandidateRevision() {
		numbers = append(numbers, e.rollout.GetCandidateRevision())
	}
	if rolloutOf(e.rollout).Good() == e.rollout.GetCandidateRevision() {
		numbers = numbers[1:]
	}
	current := map[int64]endpoints.Configuration{}
	var list []endpoints.Configuration
	for _, number := range numbers {
		if number == 0 {
			continue
		}
		c, known := d.served[number]
		if !known {
			var err error
			if c, known, err = e.endpointsIn(ctx, number); err != nil {
				return nil, err
			}
			if !known {
				continue
			}
		}
		current[number] = c
		list = append(list, c)
	}
	if len(current) != len(d.served) {
		d.refused = nil
	}
	for number, c := range d.served { // of what was just submitted: its rollout begins soon
		if number >= e.head {
			current[number] = c
		}
	}
	d.served = current
	return list, nil
}

// endpointsIn are those of a revision, which holds what another one does or is read; unknown when it is not there any more.
func (e *engine) endpointsIn(ctx context.Context, number int64) (c endpoints.Configuration, known bool, err error) {
	same, err := e.sameContent(ctx, number)
	if err != nil {
		return c, false, err
	}
	for _, other := range same {
		if c, known := e.drains.served[other]; known {
			return c, true, nil
		}
	}
	held, err := e.remote.content(ctx, number)
	if missing(err) {
		return c, false, nil
	}
	if err != nil {
		return c, false, err
	}
	c, err = endpoints.Read(held.Canonical())
	return c, err == nil, err
}

// remember notes what a revision that was just committed says of endpoints.
func (d *drains) remember(revision int64, result translate.Result, cluster endpoints.Cluster) {
	made, err := endpoints.Of(result, cluster)
	if err != nil {
		return // it is read back
	}
	if d.served == nil {
		d.served = map[int64]endpoints.Configuration{}
	}
	d.served[revision] = made
	d.refused = nil
}
