package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	"github.com/silverback-gateway/silverback/kong/target"
	"github.com/silverback-gateway/silverback/services/distributor/internal/targets"
)

// Targets holds what the gateways of groups are to keep out.
type Targets interface {
	// Targets returns what the gateways of a group are to keep out, as far as this replica knows.
	Targets(group fleet.GroupID) targets.Set
	// Upstreams returns the upstreams of each revision in use. It returns none when it cannot be known what they hold, and why.
	Upstreams(ctx context.Context, group fleet.GroupID) (use []target.Upstreams, unknown string)
	// ChangeTargets stores what change makes of the set, which it may be asked for more than once, and tells who made it.
	ChangeTargets(ctx context.Context, group fleet.GroupID, by targets.Change, change targets.Changer) (targets.Set, error)
}

// TargetService implements the service of that name.
type TargetService struct {
	distributorv1.UnimplementedTargetServiceServer
	Ledger  Ledger
	Targets Targets
}

// OperatorOwner is the owner of what people keep out. It is part of the contract.
const OperatorOwner = "operator"

var ownerForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`)

// maxStillDrained bounds what an answer names. It is part of the contract.
const maxStillDrained = 100

// UpdateDrainedTargets changes what the gateways of a group keep out.
func (s *TargetService) UpdateDrainedTargets(ctx context.Context, r *distributorv1.UpdateDrainedTargetsRequest) (
	*distributorv1.UpdateDrainedTargetsResponse, error) {
	change, err := changeOf(r)
	if err != nil {
		return nil, err
	}
	change.Author, change.Time = authorOf(ctx), time.Now().UTC()
	group := fleet.GroupID(r.GetGroup())
	if err := s.known(ctx, group); err != nil {
		return nil, err
	}
	use, unknown := s.Targets.Upstreams(ctx, group)
	if err := missing(group, targets.Check(change.Add, use)); err != nil {
		return nil, err
	}
	answer := &distributorv1.UpdateDrainedTargetsResponse{}
	set, err := s.Targets.ChangeTargets(ctx, group, change, func(was targets.Set) (targets.Set, bool, error) {
		answer.AddedCount, answer.RemovedCount = 0, 0
		if was.Known(change.RequestID) {
			return was, false, nil
		}
		next, added, removed := was.Apply(change)
		if next.Fits() != nil {
			next = next.WithoutStale(use) // what keeps nothing out makes room
		}
		if empty := targets.Emptied(change.Add, was, next, use); len(empty) > 0 && !r.GetForce() {
			return was, false, fault.New(fault.WrongState, "LAST_TARGET", "upstream %s of group %q would have no target left, or less weight than "+
				"its threshold: Kong would answer 503; with --force it is done all the same", strings.Join(empty, ", "), group).
				With("upstream", empty[0])
		}
		answer.AddedCount, answer.RemovedCount = int64(added), int64(removed)
		return next, added+removed > 0, nil
	})
	if err != nil {
		return nil, err
	}
	answer.Epoch, answer.Version = int64(set.Stamp.Epoch), int64(set.Stamp.Decision)
	answer.StillDrained = stillDrained(set, change, use)
	answer.Warnings = warnings(change, use, unknown)
	return answer, nil
}

// known refuses a group that there is not.
func (s *TargetService) known(ctx context.Context, group fleet.GroupID) error {
	if err := fleet.ValidName("group", string(group)); err != nil {
		return fault.InvalidFields(fault.Violation{Field: "group", Description: err.Error()})
	}
	if err := s.Ledger.Ready(ctx); err != nil {
		return err
	}
	if !groupExists(ctx, s.Ledger, group) {
		return fault.New(fault.Missing, "NO_SUCH_GROUP", "there is no group %q", group).With("group", string(group))
	}
	return nil
}

// changeOf reads a request.
func changeOf(r *distributorv1.UpdateDrainedTargetsRequest) (targets.Change, error) {
	c := targets.Change{
		Owner: cmp.Or(r.GetOwner(), OperatorOwner), Reason: clean.Line(strings.TrimSpace(r.GetReason()), clean.MaxMessage),
		Replace: r.GetReplace(), RequestID: r.GetRequestId(),
	}
	var bad []fault.Violation
	if c.Reason == "" {
		bad = append(bad, fault.Violation{Field: "reason", Description: "say why: it is shown with the targets"})
	}
	if !ownerForm.MatchString(c.Owner) {
		bad = append(bad, fault.Violation{Field: "owner", Description: "want lower case letters, digits, dots and dashes"})
	}
	if len(r.GetAdd())+len(r.GetRemove()) == 0 && !c.Replace {
		bad = append(bad, fault.Violation{Field: "add", Description: "name at least one target, or replace all"})
	}
	read := func(field string, from []*distributorv1.Target) (names []target.Name) {
		for i, t := range from {
			n, err := target.Parse(t.GetUpstream(), t.GetTarget())
			if err != nil {
				bad = append(bad, fault.Violation{Field: fmt.Sprintf("%s[%d]", field, i), Description: err.Error()})
				if len(bad) > 10 {
					return nil
				}
			}
			names = append(names, n)
		}
		return names
	}
	c.Add, c.Remove = read("add", r.GetAdd()), read("remove", r.GetRemove())
	if len(bad) > 0 {
		return c, fault.InvalidFields(bad...)
	}
	return c, nil
}

// missing refuses what cannot be taken out of any revision in use, with the remedy.
func missing(group fleet.GroupID, problems []targets.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	first := problems[0]
	named := list(first.Names)
	switch {
	case errors.Is(first.Err, target.ErrNoChecks):
		return fault.New(fault.WrongState, "NO_HEALTH_CHECKS", "%s: %s; give the upstream passive health checks, such as healthchecks.passive."+
			"unhealthy.tcp_failures: 3, or active ones", named, first.Err).With("group", string(group))
	case errors.Is(first.Err, target.ErrNoTarget):
		return fault.New(fault.Missing, "NO_SUCH_TARGET", "%s: %s in a revision that group %q runs; the configuration names targets as host:port",
			named, first.Err, group).With("group", string(group))
	}
	return fault.New(fault.Missing, "NO_SUCH_UPSTREAM", "%s: %s in a revision that group %q runs; it is named as in the configuration, not "+
		"as the service that uses it", named, first.Err, group).With("group", string(group))
}

// list names up to three targets.
func list(names []target.Name) string {
	var words []string
	for _, n := range names[:min(len(names), 3)] {
		words = append(words, n.String())
	}
	text := strings.Join(words, ", ")
	if more := len(names) - len(words); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// stillDrained names the targets that were let in and that others keep out.
func stillDrained(set targets.Set, c targets.Change, use []target.Upstreams) (all []*distributorv1.DrainedTarget) {
	removed := map[target.Name]bool{}
	for _, n := range c.Remove {
		removed[n] = true
	}
	for _, d := range set.All() {
		if removed[d.Name] && d.Owner != c.Owner && len(all) < maxStillDrained {
			all = append(all, drainedMessage(d, use))
		}
	}
	return all
}

// warnings says what should be known of a change.
func warnings(c targets.Change, use []target.Upstreams, unknown string) (all []string) {
	if unknown != "" && len(c.Add) > 0 {
		all = append(all, "it cannot be known whether the gateways have these targets: "+unknown)
	}
	revived := targets.Revived(c.Add, use)
	var names []string
	for name := range revived {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names[:min(len(names), 10)] {
		all = append(all, fmt.Sprintf("the active health checks of upstream %s bring a target back that answers them, after %s; agents take it "+
			"out again, but some requests reach it in between: have the service fail its check, or set healthchecks.active.healthy.successes "+
			"to 0", name, revived[name]))
	}
	return all
}

// ListDrainedTargets lists what the gateways of a group keep out.
func (s *TargetService) ListDrainedTargets(ctx context.Context, r *distributorv1.ListDrainedTargetsRequest) (
	*distributorv1.ListDrainedTargetsResponse, error) {
	group := fleet.GroupID(r.GetGroup())
	if err := s.known(ctx, group); err != nil {
		return nil, err
	}
	set := s.Targets.Targets(group)
	use, _ := s.Targets.Upstreams(ctx, group)
	all := set.All()
	if r.GetPageToken() != "" {
		at, err := decodeToken(r.GetPageToken(), 3)
		if err != nil {
			return nil, err
		}
		after := targets.Drained{Name: target.Name{Upstream: at[0], Target: at[1]}, Owner: at[2]}
		all = slices.DeleteFunc(all, func(d targets.Drained) bool { return d.Compare(after) < 0 })
	}
	answer := &distributorv1.ListDrainedTargetsResponse{
		Epoch: int64(set.Stamp.Epoch), Version: int64(set.Stamp.Decision), TargetCount: int64(len(set.Names())),
	}
	for i, d := range all {
		if i == rpcserver.PageSize(r.GetPageSize()) {
			answer.NextPageToken = encodeToken(d.Upstream, d.Target, d.Owner)
			break
		}
		answer.Targets = append(answer.Targets, drainedMessage(d, use))
	}
	return answer, nil
}

func drainedMessage(d targets.Drained, use []target.Upstreams) *distributorv1.DrainedTarget {
	m := &distributorv1.DrainedTarget{
		Upstream: d.Upstream, Target: d.Target, Owner: d.Owner, Author: d.Author, Reason: d.Reason, CreateTime: timestamppb.New(d.Time),
	}
	switch {
	case len(use) == 0:
	case targets.Stale(d.Name, use):
		m.State = distributorv1.DrainedTarget_STATE_STALE
	default:
		m.State = distributorv1.DrainedTarget_STATE_IN_USE
	}
	return m
}
