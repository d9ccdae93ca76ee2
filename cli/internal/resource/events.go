package resource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/client"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

// newestEvents is how many events are printed when nothing says from when.
const newestEvents = 100

// eventQuery selects events.
type eventQuery struct {
	groups, reasons []string
	since           time.Duration
	after           int64
	watch           bool
}

// Events returns the command that shows events.
func Events(a *app.App) *cobra.Command {
	var q eventQuery
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show what happened: revisions, waves, gates, pins, orders",
		Long: `Events shows what happened to groups, the oldest first: the last 100 events,
or those that --since or --after choose. docs/events.md lists the reasons.

Every event has a sequence. --after goes on after one that is known, without
a hole; it fails when events after that were deleted.`,
		Example: `  silverback events -g default --since 1h
  silverback events --reason GateFailed --reason RolloutRolledBack --watch
  silverback events --after 81920 --watch -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := q.check(cmd); err != nil {
				return err
			}
			if len(q.groups) == 1 {
				if err := a.CheckGroup(cmd.Context(), q.groups[0]); err != nil {
					return err
				}
			}
			ctx, cancel := a.Call(cmd.Context())
			events, upTo, err := readEvents(ctx, a, q)
			cancel()
			switch {
			case err != nil:
				return err
			case q.watch:
				return watchEvents(cmd.Context(), a, q, events, upTo)
			}
			return printEvents(a, events, upTo)
		},
	}
	cmd.Flags().StringSliceVarP(&q.groups, "group", "g", nil, "only these groups")
	cmd.Flags().StringSliceVar(&q.reasons, "reason", nil, "only these reasons, such as GateFailed")
	cmd.Flags().DurationVar(&q.since, "since", 0, "only events of so long ago or later, such as 1h")
	cmd.Flags().Int64Var(&q.after, "after", 0, "only events after this sequence")
	cmd.Flags().BoolVarP(&q.watch, "watch", "w", false, "print every further event until interrupted")
	return cmd
}

func (q eventQuery) check(cmd *cobra.Command) error {
	switch {
	case q.since < 0:
		return fmt.Errorf("--since %s: want a time such as 1h", q.since)
	case q.after < 0:
		return fmt.Errorf("--after %d: want the sequence of an event", q.after)
	case cmd.Flags().Changed("since") && cmd.Flags().Changed("after"):
		return errors.New("--since and --after both set the beginning; give one of them")
	}
	return nil
}

// readEvents reads what happened so far, the oldest first, and the sequence after which a watch goes on.
func readEvents(ctx context.Context, a *app.App, q eventQuery) (all []*client.Event, upTo int64, err error) {
	if q.after > 0 {
		return readAfter(ctx, a, q)
	}
	return newestFirst(ctx, a, q)
}

func printEvents(a *app.App, events []*client.Event, upTo int64) error {
	if a.Flags.Output != show.Table {
		return show.Message(a.Out, a.Flags.Output, &distributorv1.ListEventsResponse{Events: events, UpToSequence: upTo})
	}
	grid := &show.Grid{Header: eventHeader, More: eventMore}
	for _, e := range events {
		grid.Add(eventRow(e)...)
	}
	return grid.Draw(a.Out, a.Layout())
}

// newestFirst reads the newest events, or those since a time, and returns them the oldest first.
func newestFirst(ctx context.Context, a *app.App, q eventQuery) (all []*client.Event, upTo int64, err error) {
	request := &distributorv1.ListEventsRequest{Groups: q.groups, Reasons: q.reasons, PageSize: newestEvents}
	if q.since > 0 {
		request.Since, request.PageSize = timestamppb.New(a.Now().Add(-q.since)), pageSize
	}
	for {
		page, err := a.Client().Events().ListEvents(ctx, request)
		if err != nil {
			return nil, 0, err
		}
		if request.GetPageToken() == "" {
			upTo = page.GetUpToSequence()
		}
		all = append(all, page.GetEvents()...)
		if request.PageToken = page.GetNextPageToken(); request.GetPageToken() == "" || q.since == 0 {
			break
		}
	}
	slices.Reverse(all)
	return all, upTo, nil
}

// readAfter reads the events after a sequence.
func readAfter(ctx context.Context, a *app.App, q eventQuery) (all []*client.Event, upTo int64, err error) {
	ctx, cancel := context.WithCancel(ctx) // ends the stream
	defer cancel()
	stream, err := a.Client().Events().WatchEvents(ctx, &distributorv1.WatchEventsRequest{AfterSequence: q.after, Groups: q.groups,
		Reasons: q.reasons})
	if err != nil {
		return nil, 0, err
	}
	for {
		response, err := stream.Recv()
		if err != nil {
			return nil, 0, err
		}
		e := response.GetEvent()
		if e == nil {
			return all, response.GetReachedSequence(), nil
		}
		all = append(all, e)
	}
}

// watchEvents prints what happened so far, and further events until ctx ends.
func watchEvents(ctx context.Context, a *app.App, q eventQuery, events []*client.Event, after int64) error {
	out := newLines(a, eventHeader, eventMore)
	for _, e := range events {
		if err := out.print(e, eventRow(e)); err != nil {
			return err
		}
	}
	for e, err := range a.Client().WatchEvents(ctx, client.EventsRequest{
		After: after, OnlyNew: after == 0, Groups: q.groups, Reasons: q.reasons,
	}) {
		switch {
		case ctx.Err() != nil:
			return nil // interrupted, the normal end of a watch
		case err != nil:
			return err
		}
		if err := out.print(e, eventRow(e)); err != nil {
			return err
		}
	}
	return nil
}

// eventHeader names the columns of events, of which only -o wide shows the last eventMore.
var eventHeader = []string{"TIME", "GROUP", "REASON", "MESSAGE", "SEQUENCE", "REVISION", "ROLLOUT", "NODES", "AUTHOR"}

const eventMore = 5

func eventRow(e *client.Event) []string {
	return []string{
		e.GetCreateTime().AsTime().Local().Format("01-02 15:04:05"), e.GetGroup(), e.GetReason(), show.Clean(e.GetMessage()),
		fmt.Sprint(e.GetSequence()), positive(e.GetRevision()), e.GetRollout(), positive(e.GetNodeCount()), show.Clean(e.GetAuthor()),
	}
}
