package resource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/fleet"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// targetChange has the options of target drain and target undrain.
type targetChange struct {
	group, reason, owner string
	force, noWait        bool
	wait                 time.Duration
}

// noReason is the reason of a change without one.
const noReason = "no reason is given"

// DrainTarget returns the command that takes targets out of a group's gateways.
func DrainTarget(a *app.App) *cobra.Command {
	c := &targetChange{}
	cmd := &cobra.Command{
		Use:   "drain UPSTREAM TARGET [TARGET …] -g GROUP [--reason WHY]",
		Short: "Take a target of an upstream out of every gateway of a group, without a load",
		Long: `Takes targets of an upstream out of the balancers of every gateway of a group,
within moments and without a load. They stay out over loads, restarts and new
revisions until silverback target undrain, and so for gateways that join later.
Connections that a target has are not cut.

The upstream needs health checks; passive ones are enough. An upstream is not
left without a target unless --force is given.

The command waits until every online gateway says that it keeps them out.

Exit codes: 0 all online gateways do; 1 error; 2 the change is stored, and a
gateway did not confirm it in time.`,
		Example: `  silverback target drain orders 10.0.0.7:8080 -g edge --reason 'INC-42'
  silverback target drain orders 10.0.0.7:8080 10.0.0.8:8080 -g edge`,
		Args: targetArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.give(cmd.Context(), a, &distributorv1.UpdateDrainedTargetsRequest{Add: targetsOf(args), Force: c.force})
		},
	}
	c.add(cmd)
	cmd.Flags().BoolVar(&c.force, "force", false, "also when the upstream has no target left, or less weight than its threshold")
	return cmd
}

// UndrainTarget returns the command that ends a drain of targets.
func UndrainTarget(a *app.App) *cobra.Command {
	c := &targetChange{}
	cmd := &cobra.Command{
		Use:   "undrain UPSTREAM TARGET [TARGET …] -g GROUP [--reason WHY]",
		Short: "Put a drained target of an upstream back",
		Long: `Lets drained targets of an upstream in again. What another owner keeps out,
such as a controller, stays out, and the command says so.`,
		Example: "  silverback target undrain orders 10.0.0.7:8080 -g edge",
		Args:    targetArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.give(cmd.Context(), a, &distributorv1.UpdateDrainedTargetsRequest{Remove: targetsOf(args)})
		},
	}
	c.add(cmd)
	return cmd
}

func targetArgs(_ *cobra.Command, args []string) error {
	if len(args) < 2 {
		return errors.New("want the name of an upstream, and at least one of its targets as host:port")
	}
	return nil
}

func targetsOf(args []string) (all []*distributorv1.Target) {
	for _, t := range args[1:] {
		all = append(all, &distributorv1.Target{Upstream: args[0], Target: t})
	}
	return all
}

func (c *targetChange) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&c.group, "group", "g", "", "the group of gateways")
	cmd.Flags().StringVar(&c.reason, "reason", "", "why, for people")
	cmd.Flags().StringVar(&c.owner, "owner", "operator", "for whom: a target is out while at least one owner wants it")
	cmd.Flags().BoolVar(&c.noWait, "no-wait", false, "store the change, and do not wait for the gateways")
	cmd.Flags().DurationVar(&c.wait, "wait-timeout", 15*time.Second, "how long to wait for the gateways")
	app.MustMark(cmd, "group")
}

// give stores a change, waits for the gateways and prints the result.
func (c *targetChange) give(ctx context.Context, a *app.App, r *distributorv1.UpdateDrainedTargetsRequest) error {
	r.Group, r.Owner, r.Reason, r.RequestId = c.group, c.owner, cmp.Or(c.reason, noReason), uuid.NewString()
	call, cancel := a.Call(ctx)
	answer, err := a.Targets().UpdateDrainedTargets(call, r)
	cancel()
	if err != nil {
		return err
	}
	for _, w := range answer.GetWarnings() {
		show.Printf(a.Err, "warning: %s\n", w)
	}
	said := "the change is stored"
	var unheard error
	if !c.noWait {
		var kept obedience
		kept, unheard = c.await(ctx, a, fleet.Stamp{Epoch: fleet.Epoch(answer.GetEpoch()), Decision: fleet.Decision(answer.GetVersion())})
		said = kept.String()
	}
	if a.Flags.Output != show.Table {
		if err := show.Message(a.Out, a.Flags.Output, answer); err != nil {
			return err
		}
	} else {
		does, n := "drained", answer.GetAddedCount()
		if len(r.GetRemove()) > 0 {
			does, n = "undrained", answer.GetRemovedCount()
		}
		change := show.Count(n, "target is", "targets are") + " " + does
		if n == 0 {
			change = "nothing changes"
		}
		a.Line(0, "%s; %s", change, said)
		for _, d := range answer.GetStillDrained() {
			a.Line(0, "target %s of upstream %s stays out: drained by %s, for %s: %s", d.GetTarget(), d.GetUpstream(), d.GetOwner(),
				show.Age(a.Now(), d.GetCreateTime()), show.Clean(d.GetReason()))
		}
	}
	if unheard != nil {
		return &app.Exit{Code: app.ExitDifference, Err: unheard}
	}
	return nil
}

// obedience is how the online gateways of a group apply a set of drained targets.
type obedience struct {
	online, obey int
	cannot       []string // their agents are too old, or have not received the set
	fail         []string // a target is not out that should be, or not in that should be
}

// obedienceOf counts the nodes that apply a set, or a later one.
func obedienceOf(nodes []*registryv1.Node, at fleet.Stamp) (o obedience) {
	for _, n := range nodes {
		if !online(n) {
			continue
		}
		o.online++
		d := n.GetStatus().GetDrainedTargets()
		has := fleet.Stamp{Epoch: fleet.Epoch(d.GetEpoch()), Decision: fleet.Decision(d.GetVersion())}
		switch {
		case at.After(has):
			o.cannot = append(o.cannot, n.GetName())
		case !keepsOut(d):
			o.fail = append(o.fail, n.GetName())
		default:
			o.obey++
		}
	}
	return o
}

func keepsOut(d *fleetv1.DrainedTargets) bool {
	return d.GetOutCount()+d.GetAbsentCount() >= d.GetWantedCount() && d.GetReleasingCount() == 0
}

// String returns the text for people.
func (o obedience) String() string {
	if o.online == 0 {
		return "no gateway is online; they obey when they come"
	}
	return fmt.Sprintf("%d of %s obey", o.obey, show.Count(int64(o.online), "online gateway", "online gateways"))
}

// unheard names the gateways that the command waits for.
func (o obedience) unheard() string {
	var parts []string
	for _, p := range []struct {
		names []string
		text  string
	}{{o.cannot, "not received yet, or the agent is too old"}, {o.fail, "not done, see silverback describe node"}} {
		if len(p.names) > 0 {
			shown := strings.Join(p.names[:min(len(p.names), 3)], ", ")
			if more := len(p.names) - 3; more > 0 {
				shown += fmt.Sprintf(" and %d more", more)
			}
			parts = append(parts, p.text+": "+shown)
		}
	}
	return strings.Join(parts, "; ")
}

// await waits until every online gateway applies the set. It returns the last result, and why the wait ended early.
func (c *targetChange) await(ctx context.Context, a *app.App, at fleet.Stamp) (kept obedience, unheard error) {
	ctx, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	for {
		nodes, err := allNodes(ctx, a, c.group)
		if err == nil {
			if kept = obedienceOf(nodes, at); kept.obey == kept.online {
				return kept, nil
			}
		}
		if backoff.Sleep(ctx, askAgain) != nil {
			if err != nil {
				return kept, fmt.Errorf("the change is stored, and the registry cannot say who obeys: %w", err)
			}
			return kept, fmt.Errorf("the change is stored, and not confirmed within %s: %s", c.wait, kept.unheard())
		}
	}
}

// ListTargets returns the command that lists the drained targets of a group.
func ListTargets(a *app.App) *cobra.Command {
	var group string
	cmd := &cobra.Command{
		Use:   "list -g GROUP",
		Short: "Show the targets that the gateways of a group keep out",
		Long: `Shows the targets that the gateways of a group are to keep out, by whom and
why, and how many gateways obey. A target is stale when no revision that the
group runs has it: nothing is kept out, until it comes back or is undrained.`,
		Example: "  silverback target list -g edge",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.Call(cmd.Context())
			defer cancel()
			whole := &distributorv1.ListDrainedTargetsResponse{}
			var err error
			whole.Targets, err = pages(ctx, func(ctx context.Context, token string) ([]*distributorv1.DrainedTarget, string, error) {
				answer, err := a.Targets().ListDrainedTargets(ctx, &distributorv1.ListDrainedTargetsRequest{Group: group, PageSize: pageSize,
					PageToken: token})
				whole.Epoch, whole.Version, whole.TargetCount = answer.GetEpoch(), answer.GetVersion(), answer.GetTargetCount()
				return answer.GetTargets(), answer.GetNextPageToken(), err
			})
			if err != nil {
				return err
			}
			if a.Flags.Output != show.Table {
				return show.Message(a.Out, a.Flags.Output, whole)
			}
			grid := &show.Grid{Header: []string{"UPSTREAM", "TARGET", "OWNER", "BY", "AGE", "STATE", "REASON"}}
			for _, d := range whole.GetTargets() {
				grid.Add(d.GetUpstream(), d.GetTarget(), d.GetOwner(), d.GetAuthor(), show.Age(a.Now(), d.GetCreateTime()),
					show.Enum(d.GetState(), "STATE_"), d.GetReason())
			}
			if err := grid.Draw(a.Out, a.Layout()); err != nil {
				return err
			}
			nodes, err := allNodes(ctx, a, group)
			if err != nil {
				return err
			}
			kept := obedienceOf(nodes, fleet.Stamp{Epoch: fleet.Epoch(whole.GetEpoch()), Decision: fleet.Decision(whole.GetVersion())})
			a.Line(0, "%s", kept)
			if rest := kept.unheard(); rest != "" {
				a.Line(0, "%s", rest)
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&group, "group", "g", "", "the group of gateways")
	app.MustMark(cmd, "group")
	return cmd
}

// drainedTargets returns the number of drained targets of a group, and the version of the set. Without an answer it returns none: the
// caller shows much else.
func drainedTargets(ctx context.Context, a *app.App, group string) (count int64, at fleet.Stamp) {
	ctx, cancel := a.Call(ctx)
	defer cancel()
	answer, err := a.Targets().ListDrainedTargets(ctx, &distributorv1.ListDrainedTargetsRequest{Group: group, PageSize: 1})
	if err != nil {
		return 0, fleet.Stamp{}
	}
	return answer.GetTargetCount(), fleet.Stamp{Epoch: fleet.Epoch(answer.GetEpoch()), Decision: fleet.Decision(answer.GetVersion())}
}

// drainedLine describes the drained targets of a group in one line.
func drainedLine(count int64, kept obedience, group string) string {
	return fmt.Sprintf("%s kept out of upstreams; %s; silverback target list -g %s", show.Count(count, "target is", "targets are"), kept,
		group)
}

// printDrainedTargets prints how the gateway of a node keeps targets out.
func printDrainedTargets(a *app.App, d *fleetv1.DrainedTargets) {
	if d.GetWantedCount() == 0 && d.GetReleasingCount() == 0 {
		return
	}
	parts := []string{fmt.Sprintf("%d of %d drained ones are out", d.GetOutCount(), d.GetWantedCount())}
	if n := d.GetAbsentCount(); n > 0 {
		parts = append(parts, fmt.Sprintf("%d are not in its configuration", n))
	}
	if n := d.GetReleasingCount(); n > 0 {
		parts = append(parts, fmt.Sprintf("%d are still to be let in", n))
	}
	a.Line(13, "Targets:     %s", strings.Join(parts, ", "))
}
