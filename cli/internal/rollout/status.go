package rollout

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kong/cost"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

// Command returns the parent of the rollout commands.
func Command(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rollout",
		Short: "Show and control the rollouts of a group",
		RunE:  app.RequireSubcommand,
	}
	cmd.AddCommand(statusCommand(a), historyCommand(a), pauseCommand(a), resumeCommand(a), promoteCommand(a), abortCommand(a), retryCommand(a),
		undoCommand(a))
	return cmd
}

// StatusAlias is rollout status under the name of one word.
func StatusAlias(a *app.App) *cobra.Command {
	cmd := statusCommand(a)
	cmd.Use = "rollout-status -g GROUP"
	cmd.Hidden = true
	return cmd
}

func statusCommand(a *app.App) *cobra.Command {
	var group, id string
	var watch bool
	cmd := &cobra.Command{
		Use:   "status -g GROUP",
		Short: "Show where the newest rollout of a group stands",
		Long: `Shows where the newest rollout of a group stands.

Exit codes: 0 every online gateway serves the newest revision; 1 error; 2 not,
or not yet.`,
		Args: cobra.NoArgs,
		Example: `  silverback rollout status -g edge
  silverback rollout status -g edge --watch`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !watch {
				_, err := look(cmd.Context(), a, group, id)
				return err
			}
			return a.Watch(cmd.Context(), func(ctx context.Context, a *app.App) (bool, error) {
				r, err := look(ctx, a, group, id)
				return client.Ended(r), err
			})
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "watch until the rollout ends")
	cmd.Flags().StringVarP(&group, "group", "g", "", "the group of gateways")
	cmd.Flags().StringVar(&id, "id", "", "this rollout instead of the newest")
	app.MustMark(cmd, "group")
	return cmd
}

// look reads the state once and prints the rollout.
func look(ctx context.Context, a *app.App, group, id string) (*distributorv1.Rollout, error) {
	rollouts := a.Rollouts()
	ctx, cancel := a.Call(ctx)
	defer cancel()
	answer, err := rollouts.GetRollout(ctx, &distributorv1.GetRolloutRequest{Group: group, Id: ID(id)})
	if err != nil {
		return nil, err
	}
	if a.Flags.Output != show.Table {
		err = show.Message(a.Out, a.Flags.Output, answer)
	} else {
		Describe(a, answer.GetRollout())
	}
	if err != nil {
		return nil, err
	}
	ahead := warnAhead(ctx, a, rollouts, group)
	if ahead || answer.GetRollout().GetState() != distributorv1.Rollout_STATE_COMPLETED {
		return answer.GetRollout(), &app.Exit{Code: app.ExitDifference}
	}
	return answer.GetRollout(), nil
}

// warnAhead warns when nodes of the group are ahead of the ledger, because they refuse its decisions. An older distributor does not report
// them.
func warnAhead(ctx context.Context, a *app.App, rollouts distributorv1.RolloutServiceClient, group string) bool {
	answer, err := rollouts.GetLedger(ctx, &distributorv1.GetLedgerRequest{Group: group})
	n := answer.GetLedger().GetAheadCount()
	if err != nil || n == 0 {
		return false
	}
	fmt.Fprintln(a.Err, a.Colour(app.Red, fmt.Sprintf("The ledger was restored or lost: its decisions are refused by %s of the group, "+
		"ahead of it. See silverback recover.",
		show.Count(n, "gateway", "gateways"))))
	return true
}

// ID returns the id of a rollout. Leading zeros may be left out.
func ID(given string) string {
	if n, err := strconv.ParseUint(given, 10, 32); err == nil {
		return fmt.Sprintf("%08d", n)
	}
	return given
}

func historyCommand(a *app.App) *cobra.Command {
	var group string
	cmd := &cobra.Command{
		Use:   "history -g GROUP",
		Short: "List the rollouts of a group, the newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.Call(cmd.Context())
			defer cancel()
			answer := &distributorv1.ListRolloutsResponse{}
			for {
				page, err := a.Rollouts().ListRollouts(ctx, &distributorv1.ListRolloutsRequest{Group: group, PageToken: answer.GetNextPageToken()})
				if err != nil {
					return err
				}
				answer.Rollouts = append(answer.Rollouts, page.GetRollouts()...)
				if answer.NextPageToken = page.GetNextPageToken(); answer.NextPageToken == "" {
					break
				}
			}
			if len(answer.GetRollouts()) == 0 {
				if err := a.CheckGroup(ctx, group); err != nil {
					return err
				}
			}
			if a.Flags.Output != show.Table {
				return show.Message(a.Out, a.Flags.Output, answer)
			}
			return Table(a, answer.GetRollouts()).Draw(a.Out, a.Layout())
		},
	}
	cmd.Flags().StringVarP(&group, "group", "g", "", "the group of gateways")
	app.MustMark(cmd, "group")
	return cmd
}

// Table returns a table of rollouts.
func Table(a *app.App, rollouts []*distributorv1.Rollout) *show.Grid {
	grid := &show.Grid{Header: []string{"GROUP", "ID", "STATE", "REVISION", "SERVING", "AGE", "REASON", "WAVE", "FROM", "REFUSED"}, More: 3}
	for _, r := range rollouts {
		n := r.GetProgress()
		grid.Add(r.GetGroup(), r.GetId(), stateOf(r), number(r.GetCandidateRevision()), fmt.Sprintf("%d/%d", n.GetServing(), n.GetOnline()),
			show.Age(a.Now(), r.GetCreateTime()), show.Clean(show.First(r.GetReason())),
			fmt.Sprintf("%d/%d", r.GetWave(), r.GetWaveCount()), number(r.GetStableRevision()), number(n.GetRefused()))
	}
	return grid
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// Describe prints all about a rollout.
func Describe(a *app.App, r *distributorv1.Rollout) {
	n := r.GetProgress()
	a.Line(12, "Rollout:    %s of group %s", r.GetId(), r.GetGroup())
	a.Line(12, "From:       %s", revisionOf(r.GetStableRevision(), r.GetStableDigest()))
	a.Line(12, "To:         %s", revisionOf(r.GetCandidateRevision(), r.GetCandidateDigest()))
	state := stateOf(r)
	if r.GetReason() != "" {
		state += ": " + r.GetReason()
	}
	a.Line(12, "State:      %s", state)
	wave := fmt.Sprintf("%d of %d", r.GetWave(), r.GetWaveCount())
	if label := waveLabel(r); label != "" {
		wave += " (" + label + ")"
	}
	a.Line(12, "Wave:       %s", wave)
	a.Line(12, "Gateways:   %d online, %d in the waves so far, %d serving, %d loading, %d failed, %d refused, %d left out, %d offline",
		n.GetOnline(), n.GetInWave(), n.GetServing(), n.GetLoading(), n.GetFailed(), n.GetRefused(), n.GetLeftOut(), n.GetOffline())
	a.Line(12, "Began:      %s (%s ago)", show.Time(r.GetCreateTime()), show.Age(a.Now(), r.GetCreateTime()))
	if r.GetEndTime() != nil {
		a.Line(12, "Ended:      %s, after %s", show.Time(r.GetEndTime()),
			r.GetEndTime().AsTime().Sub(r.GetCreateTime().AsTime()).Round(1e6))
	}
	if len(r.GetFallbackRevisions()) > 0 {
		a.Line(12, "Instead:    the gateways serve %s", instead(r))
	}
	if len(r.GetPinnedSources()) > 0 {
		a.Line(12, "Pinned:     %s at the last good content, by revision %d", strings.Join(r.GetPinnedSources(), ", "), r.GetPinnedRevision())
	}
	for _, g := range r.GetGates() {
		a.Line(12, "Gate:       %s", gateText(g))
	}
	for _, o := range r.GetOrders() {
		a.Line(12, "Order:      %s by %s, %s ago: %s", o.GetVerb(), o.GetAuthor(), show.Age(a.Now(), o.GetCreateTime()), o.GetReason())
	}
	if f := r.GetForecast(); f.GetGateways() > 0 {
		a.Line(12, "A load:     %s", forecastText(f))
		a.Line(12, "Left:       about %s", f.GetRemainingTime().AsDuration())
	}
	if r.GetNext() != "" {
		a.Line(12, "Next:       %s", r.GetNext())
	}
	for _, x := range r.GetLeftOut() {
		a.Line(12, "Left out:   %s (%s)", x.GetNode(), x.GetReason())
	}
	if len(r.GetRefusals()) > 0 {
		fmt.Fprintln(a.Out, "Refusals:")
		printRefusals(a.Out, r)
	}
}

// gateText returns the result of a gate: error-ratio passed: 0 % of 512 requests failed in the wave ...
func gateText(g *distributorv1.GateResult) string {
	outcome := strings.ReplaceAll(show.Enum(g.GetOutcome(), "OUTCOME_"), "-", " ")
	return fmt.Sprintf("%s %s: %s", g.GetGate(), outcome, g.GetEvidence())
}

func revisionOf(revision int64, digest string) string {
	if revision == 0 {
		return "nothing"
	}
	return fmt.Sprintf("revision %d (%s)", revision, show.Digest(digest))
}

// forecastText returns the forecast cost of the loads of a rollout.
func forecastText(f *distributorv1.LoadForecast) string {
	return cost.Summary{
		Gateways: int(f.GetGateways()), Measured: int(f.GetMeasured()), Serving: f.GetServingTime().AsDuration(), Slowest: f.GetSlowestNode(),
		Memory: f.GetMemoryBytes(), Largest: f.GetLargestNode(),
	}.String()
}
