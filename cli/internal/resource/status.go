package resource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/forecast"
	"github.com/silverback-gateway/silverback/cli/internal/pins"
	"github.com/silverback-gateway/silverback/cli/internal/rollout"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/cost"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// worstShown is how many troubled nodes the status lists; get nodes lists all.
const worstShown = 10

// groupStatus is what the status shows of one group.
type groupStatus struct {
	group    *registryv1.Group
	nodes    []*registryv1.Node
	revision *translatorv1.Revision // nil when nothing was submitted
	rollout  *distributorv1.Rollout // nil when nothing was decided
	pinned   []*translatorv1.Source
	drained  int64 // targets of upstreams
	kept     obedience
	lost     []lostRevision // that gateways serve and the ledger does not have

	noRevision, noRollout bool // their service did not answer
}

// Status returns the command that shows on one screen whether the fleet is in sync and which rollouts move.
func Status(a *app.App) *cobra.Command {
	var group string
	var watch bool
	cmd := &cobra.Command{
		Use:   "status [-g GROUP]",
		Short: "Show on one screen whether the fleet is in sync, and what is moving",
		Long: `Shows for every group, or for one, the newest revision, its rollout, and how
many gateways serve it, and which sources are pinned. When the translator or the distributor does not
answer, the table shows the rest and why; -o json and -o yaml print the error
alone.

Exit codes: 0 every online gateway serves its group's newest revision, or the
group has none yet; 1 error; 2 some gateways do not, or not yet, or none is
online, or nodes are ahead of the ledger.`,
		Args: cobra.NoArgs,
		Example: `  silverback status
  silverback status -g edge --watch`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !watch {
				return look(cmd.Context(), a, group)
			}
			return a.Watch(cmd.Context(), func(ctx context.Context, a *app.App) (bool, error) { return false, look(ctx, a, group) })
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "go on looking, until it is interrupted; then the exit code is 0")
	cmd.Flags().StringVarP(&group, "group", "g", "", "only this group")
	return cmd
}

// look reads the state once and prints it.
func look(ctx context.Context, a *app.App, group string) error {
	all, away, err := gather(ctx, a, group)
	if err == nil && len(away) > 0 && a.Flags.Output != show.Table {
		err = away[0]
	}
	if err != nil {
		return err
	}
	ledger := ledgerOf(ctx, a, all, group)
	findLost(ctx, a, all, ledger)
	if err := printStatus(a, all, ledger); err != nil {
		return err
	}
	for _, err := range away {
		a.Report(a.Err, err)
	}
	if len(away) > 0 {
		return &app.Exit{Code: app.ExitError}
	}
	for _, s := range all {
		if !s.inSync() || ledger.GetAheadCount() > 0 {
			return &app.Exit{Code: app.ExitDifference}
		}
	}
	return nil
}

// gather calls the services, each with its own deadline, so that one that does not answer does not use up the time of the next. Away holds
// why the translator or the distributor did not answer. Such a service is not called for the next group.
func gather(ctx context.Context, a *app.App, only string) (all []groupStatus, away []error, err error) {
	all, err = known(ctx, a, only)
	if err != nil {
		return nil, nil, err
	}
	translator := a.Translator()
	askRollout := func(ctx context.Context, s *groupStatus) error {
		answer, err := a.Rollouts().GetRollout(ctx, &distributorv1.GetRolloutRequest{Group: s.group.GetName()})
		s.rollout = answer.GetRollout()
		if err == nil {
			var at fleet.Stamp
			s.drained, at = drainedTargets(ctx, a, s.group.GetName())
			s.kept = obedienceOf(s.nodes, at)
		}
		return err
	}
	askRevision := func(ctx context.Context, s *groupStatus) error {
		answer, err := translator.GetRevision(ctx, &translatorv1.GetRevisionRequest{Group: s.group.GetName()})
		s.revision = answer.GetRevision()
		if err == nil {
			s.pinned = pinnedSources(ctx, a, s.group.GetName())
		}
		return err
	}
	// The translator comes last: without etcd it takes long to answer that it cannot serve.
	for _, part := range []struct {
		ask   func(context.Context, *groupStatus) error
		leave func(*groupStatus)
	}{
		{askRollout, func(s *groupStatus) { s.noRollout = true }},
		{askRevision, func(s *groupStatus) { s.noRevision = true }},
	} {
		call, cancel := a.Call(ctx)
		silent, err := askAll(all, func(s *groupStatus) error { return part.ask(call, s) }, part.leave)
		cancel()
		if err != nil {
			return nil, nil, err
		}
		if silent != nil {
			away = append(away, silent)
		}
	}
	return all, away, nil
}

// known returns the groups and nodes of the registry.
func known(ctx context.Context, a *app.App, only string) (all []groupStatus, err error) {
	ctx, cancel := a.Call(ctx)
	defer cancel()
	groups, err := allGroups(ctx, a)
	if err != nil {
		return nil, err
	}
	if groups, err = named("group", only, groups, (*registryv1.Group).GetName); err != nil {
		return nil, err
	}
	for _, g := range groups {
		s := groupStatus{group: g}
		if s.nodes, err = allNodes(ctx, a, g.GetName()); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// askAll calls a service for every group. After a call without an answer it calls leave for the remaining groups instead.
func askAll(all []groupStatus, ask func(*groupStatus) error, leave func(*groupStatus)) (silent, err error) {
	for i := range all {
		if silent == nil {
			err := ask(&all[i])
			if err == nil || status.Code(err) == codes.NotFound {
				continue
			}
			if !absent(err) {
				return nil, err
			}
			silent = err
		}
		leave(&all[i])
	}
	return silent, nil
}

// absent reports whether a call got no answer, or the answer that the service cannot serve now.
func absent(err error) bool {
	code := status.Code(err)
	return code == codes.Unavailable || code == codes.DeadlineExceeded
}

// online returns the connected nodes.
func online(n *registryv1.Node) bool { return forecast.Online(n) }

func (s groupStatus) counts() (onlineNodes, serving int) {
	for _, n := range s.nodes {
		if !online(n) {
			continue
		}
		onlineNodes++
		if s.revision != nil && n.GetStatus().GetDigest() == s.revision.GetDigest() {
			serving++
		}
	}
	return onlineNodes, serving
}

// unmanaged returns how many gateways serve a configuration that no revision has.
func (s groupStatus) unmanaged() (n int) {
	for _, node := range s.nodes {
		if node.GetState() == registryv1.Node_STATE_UNMANAGED {
			n++
		}
	}
	return n
}

// inSync reports whether all gateways serve the newest revision. A group without online gateways does not serve it.
func (s groupStatus) inSync() bool {
	onlineNodes, serving := s.counts()
	return s.revision == nil || onlineNodes > 0 && serving == onlineNodes
}

// ledgerOf returns which nodes are ahead of the ledger; nil when the distributor does not answer, which was reported already, or is too old
// to know.
func ledgerOf(ctx context.Context, a *app.App, all []groupStatus, group string) *distributorv1.Ledger {
	if slices.ContainsFunc(all, func(s groupStatus) bool { return s.noRollout }) {
		return nil
	}
	ctx, cancel := a.Call(ctx)
	defer cancel()
	answer, err := a.Rollouts().GetLedger(ctx, &distributorv1.GetLedgerRequest{Group: group})
	if err != nil {
		return nil
	}
	return answer.GetLedger()
}

// crowdedPercent is how full a member of etcd must be for status to show it.
const crowdedPercent = 60

// fullest returns how full the fullest member of etcd is. It is empty when none is crowded, or no quota is known.
func fullest(members []*distributorv1.Ledger_Member) string {
	var most *distributorv1.Ledger_Member
	percent := int64(crowdedPercent - 1)
	for _, m := range members {
		if m.GetQuotaBytes() > 0 && m.GetSizeBytes()*100/m.GetQuotaBytes() > percent {
			most, percent = m, m.GetSizeBytes()*100/m.GetQuotaBytes()
		}
	}
	if most == nil {
		return ""
	}
	return fmt.Sprintf("etcd at %s is %d%% full: %s of %s, %s in use. When it is full nothing can be submitted or decided: see the runbook "+
		"etcd-fills.", show.Clean(most.GetEndpoint()), percent, show.Bytes(most.GetSizeBytes()), show.Bytes(most.GetQuotaBytes()),
		show.Bytes(most.GetSizeInUseBytes()))
}

func printStatus(a *app.App, all []groupStatus, ledger *distributorv1.Ledger) error {
	if a.Flags.Output != show.Table {
		return printReports(a, all, ledger)
	}
	if ledger.GetProblem() != "" {
		fmt.Fprintln(a.Out, a.Colour(app.Red, "Nothing can be submitted or decided: "+show.Clean(ledger.GetProblem())))
		fmt.Fprintln(a.Out)
	}
	if line := fullest(ledger.GetMembers()); line != "" {
		fmt.Fprintln(a.Out, a.Colour(app.Yellow, line))
		fmt.Fprintln(a.Out)
	}
	if ledger.GetAheadCount() > 0 {
		fmt.Fprintln(a.Out, a.Colour(app.Red, ledgerLine(ledger)+" See silverback recover."))
		fmt.Fprintln(a.Out)
	}
	var problems []error
	for i, s := range all {
		if i > 0 {
			fmt.Fprintln(a.Out)
		}
		problems = append(problems, s.print(a))
	}
	return errors.Join(problems...)
}

func (s groupStatus) print(a *app.App) error {
	onlineNodes, serving := s.counts()
	verdict := a.Colour(app.Green, "in sync")
	switch {
	case s.noRevision:
		verdict = a.Colour(app.Yellow, "not known")
	case s.revision == nil:
		verdict = "nothing submitted yet"
	case onlineNodes == 0:
		verdict = a.Colour(app.Yellow, "no gateway online")
	case serving < onlineNodes:
		verdict = a.Colour(app.Yellow, "not in sync")
	}
	fmt.Fprintf(a.Out, "GROUP %s: %s\n", s.group.GetName(), verdict)
	gateways := fmt.Sprintf("%d known, %d online", len(s.nodes), onlineNodes)
	if !s.noRevision {
		gateways += fmt.Sprintf(", %d serving the newest revision", serving)
	}
	if n := s.unmanaged(); n > 0 {
		gateways += fmt.Sprintf(", %d unmanaged", n)
	}
	a.Line(12, "  gateways  %s", gateways)
	switch {
	case s.noRevision:
		fmt.Fprintln(a.Out, "  revision  not known: the translator cannot say")
	case s.revision != nil:
		a.Line(12, "  revision  %d (%s), %s, %s ago by %s", s.revision.GetNumber(), show.Digest(s.revision.GetDigest()),
			show.Count(entityCount(s.revision), "entity", "entities"), show.Age(a.Now(), s.revision.GetCreateTime()),
			show.Clean(s.revision.GetAuthor()))
		if text := forecast.Notable(cost.SizeOf(s.revision.GetEntities(), s.revision.GetSizeBytes()), s.nodes); text != "" {
			a.Line(12, "  a load    %s", show.Clean(text))
		}
	}
	for _, r := range s.lost {
		a.Line(12, "  lost      %s", r)
	}
	switch {
	case s.noRollout:
		fmt.Fprintln(a.Out, "  rollout   not known: the distributor cannot say")
	case s.rollout != nil:
		a.Line(12, "  rollout   %s", rollout.Line(s.rollout))
		if s.rollout.GetReason() != "" {
			a.Line(12, "            %s", show.Clean(s.rollout.GetReason()))
		}
		if next := s.rollout.GetNext(); next != "" && s.rollout.GetState() != distributorv1.Rollout_STATE_PROGRESSING {
			a.Line(12, "            %s", show.Clean(next))
		}
		if o := s.rollout.GetFrozen(); o != nil {
			a.Line(12, "  frozen    for %s by %s: %s", show.Age(a.Now(), o.GetCreateTime()), show.Clean(o.GetAuthor()), show.Clean(o.GetReason()))
		}
	}
	if s.drained > 0 {
		a.Line(12, "  drained   %s", drainedLine(s.drained, s.kept, s.group.GetName()))
	}
	if err := s.printTroubled(a); err != nil {
		return err
	}
	s.printPinned(a)
	return nil
}

// pinnedSources returns the pinned sources of a group. Without an answer it returns none: the rest of the status does not need them.
func pinnedSources(ctx context.Context, a *app.App, group string) []*translatorv1.Source {
	all, err := allSources(ctx, a, group)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(all, func(s *translatorv1.Source) bool { return s.GetPin() == nil })
}

// printPinned names the pinned sources.
func (s groupStatus) printPinned(a *app.App) {
	for _, source := range s.pinned[:min(len(s.pinned), worstShown)] {
		a.Line(12, "  pinned    %s", pins.Line(a.Now(), source))
	}
	if hidden := len(s.pinned) - worstShown; hidden > 0 {
		fmt.Fprintf(a.Out, "  … and %d more; see silverback get sources -g %s\n", hidden, s.group.GetName())
	}
}

// printTroubled names the nodes that need attention.
func (s groupStatus) printTroubled(a *app.App) error {
	troubled := slices.DeleteFunc(slices.Clone(s.nodes), func(n *registryv1.Node) bool {
		return n.GetState() == registryv1.Node_STATE_READY && len(n.GetStatus().GetConditions()) == 0 && n.GetQuarantine() == nil
	})
	if len(troubled) == 0 {
		return nil
	}
	grid := &show.Grid{Header: []string{"  NODE", "STATE", "REVISION", "CONDITION"}}
	for _, n := range troubled[:min(len(troubled), worstShown)] {
		condition := ""
		if c := n.GetStatus().GetConditions(); len(c) > 0 {
			condition = show.Clean(c[0].GetType() + ": " + show.First(c[0].GetMessage()))
		} else if u := n.GetStatus().GetUnmanaged(); u != nil {
			condition = show.Clean(cmp.Or(show.First(u.GetReason()), fmt.Sprintf("serves %s that no revision brought",
				show.Count(u.GetEntityCount(), "entity", "entities"))))
		} else if q := n.GetQuarantine(); q != nil {
			condition = show.Clean(show.First(q.GetReason()))
		}
		grid.Add("  "+n.GetName(), nodeState(n), positive(n.GetStatus().GetRevision()), condition)
	}
	if err := grid.Draw(a.Out, a.Layout()); err != nil {
		return err
	}
	if hidden := len(troubled) - worstShown; hidden > 0 {
		fmt.Fprintf(a.Out, "  … and %d more; see silverback get nodes -g %s\n", hidden, s.group.GetName())
	}
	return nil
}
