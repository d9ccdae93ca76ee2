package resource

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

// Recover returns the command that makes nodes follow a ledger that was restored or lost.
func Recover(a *app.App) *cobra.Command {
	var reason string
	var yes, force bool
	cmd := &cobra.Command{
		Use:   "recover --reason WHY",
		Short: "Make nodes follow a ledger (etcd) that was restored or lost",
		Long: `Makes nodes follow a ledger (etcd) that was restored from a backup or created
anew. Until then nodes follow decisions that the ledger does not have, and
refuse its decisions as older: no gateway changes. The command raises the
epoch of the ledger above every epoch that a node is known to follow. From
then on nodes go to the revisions that the ledger has.

First apply the files that are newer than the ledger. Their rollouts wait for
the recovery, and gateways that serve that content already keep it. The
command prints what it will do and asks for confirmation; without a terminal
it needs --yes. It does nothing when no node is ahead of the ledger, unless it
is forced.

Exit codes: 0 the ledger is in a new epoch; 1 error, or there is nothing to
recover from.`,
		Example: "  silverback recover --reason 'etcd restored from the backup of Monday'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client := a.Rollouts()
			ctx, cancel := a.Call(cmd.Context())
			defer cancel()
			known, err := client.GetLedger(ctx, &distributorv1.GetLedgerRequest{})
			if err != nil {
				return err
			}
			l := known.GetLedger()
			if l.GetAheadCount() == 0 && !force {
				return fmt.Errorf("no node is ahead of the ledger, which is in epoch %d: there is nothing to recover from; --force raises the epoch "+
					"all the same", l.GetEpoch())
			}
			// The answers of the other services are shown while they are read: the ledger must be recoverable without them.
			groups, _, err := gather(cmd.Context(), a, "")
			if err != nil {
				a.Report(a.Err, err)
			}
			findLost(cmd.Context(), a, groups, l)
			if err := printRecovery(a, l, groups); err != nil {
				return err
			}
			if !yes {
				if err := a.Confirm("Recover the ledger?"); err != nil {
					return err
				}
			}
			ctx, cancelCall := a.Call(cmd.Context())
			defer cancelCall()
			answer, err := client.RecoverLedger(ctx, &distributorv1.RecoverLedgerRequest{Reason: reason, Force: force, RequestId: uuid.NewString()})
			if err != nil {
				return err
			}
			if a.Flags.Output != show.Table {
				return show.Message(a.Out, a.Flags.Output, answer)
			}
			fmt.Fprintf(a.Out, "the ledger is in epoch %d: nodes follow it from now on; silverback status shows them\n",
				answer.GetLedger().GetEpoch())
			return nil
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for people; stored with the epoch")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&force, "force", false, "raise the epoch although no node is ahead of the ledger")
	app.MustMark(cmd, "reason")
	return cmd
}

// printRecovery prints the state of the ledger and what a recovery will do.
func printRecovery(a *app.App, l *distributorv1.Ledger, groups []groupStatus) error {
	fmt.Fprintln(a.Err, ledgerLine(l))
	grid := &show.Grid{Header: []string{"GROUP", "NODE", "ONLINE", "FOLLOWS", "LEDGER HAS"}}
	for _, n := range l.GetAhead()[:min(len(l.GetAhead()), worstShown)] {
		grid.Add(n.GetGroup(), n.GetNode(), fmt.Sprint(n.GetOnline()), stamp(n.GetFollowedEpoch(), n.GetFollowedDecision()),
			stamp(l.GetEpoch(), n.GetDecision()))
	}
	if l.GetAheadCount() > 0 {
		if err := grid.Draw(a.Err, a.Layout()); err != nil {
			return err
		}
	}
	if hidden := l.GetAheadCount() - worstShown; hidden > 0 {
		fmt.Fprintf(a.Err, "… and %d more\n", hidden)
	}
	for _, s := range groups {
		for _, r := range s.lost {
			fmt.Fprintln(a.Err, a.Colour(app.Yellow, fmt.Sprintf("Group %s: %s.", s.group.GetName(), r)))
		}
		if line := s.goesBack(); line != "" {
			fmt.Fprintln(a.Err, a.Colour(app.Yellow, line))
		}
	}
	fmt.Fprintf(a.Err, "A recovery raises the epoch to %d: every node follows the ledger from then on, to the revisions that it has.\n",
		l.GetNextEpoch())
	return nil
}

// goesBack describes which revisions gateways of the group will lose; empty when they lose none.
func (s groupStatus) goesBack() string {
	others := int64(0)
	for _, n := range s.nodes {
		if digest := n.GetStatus().GetDigest(); online(n) && digest != "" && digest != s.revision.GetDigest() {
			others++
		}
	}
	switch {
	case s.noRevision || others == 0:
		return ""
	case s.revision == nil:
		return fmt.Sprintf("Group %s: the ledger has no revision; its gateways keep what they serve until files are applied.", s.group.GetName())
	}
	return fmt.Sprintf("Group %s: %s something else than revision %d, the newest that the ledger has, and will go to it. Apply newer files "+
		"before, if there are any.",
		s.group.GetName(), show.Count(others, "gateway serves", "gateways serve"), s.revision.GetNumber())
}

// ledgerLine describes whether nodes are ahead of the ledger.
func ledgerLine(l *distributorv1.Ledger) string {
	if l.GetAheadCount() == 0 {
		return fmt.Sprintf("The ledger is in epoch %d. No node is ahead of it.", l.GetEpoch())
	}
	verb := "are"
	if l.GetAheadCount() == 1 {
		verb = "is"
	}
	return fmt.Sprintf("The ledger is in epoch %d. %s %s ahead of it: it was restored or lost, and its decisions are refused as older than "+
		"those that are followed.",
		l.GetEpoch(), show.Count(l.GetAheadCount(), "node", "nodes"), verb)
}

func stamp(epoch, decision int64) string {
	if decision == 0 {
		return fmt.Sprintf("nothing in epoch %d", epoch)
	}
	return fmt.Sprintf("decision %d of epoch %d", decision, epoch)
}
