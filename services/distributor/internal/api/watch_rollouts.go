package api

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// watchGather is how long changes are collected before they are sent.
const watchGather = 50 * time.Millisecond

// watchRecount is how often nodes are counted again although no replica wrote anything. Heartbeats of nodes are far more frequent.
const watchRecount = time.Second

// WatchRollouts streams the newest rollout of each group, then every change.
func (s *RolloutService) WatchRollouts(request *distributorv1.WatchRolloutsRequest,
	stream grpc.ServerStreamingServer[distributorv1.WatchRolloutsResponse]) error {
	if err := s.Ledger.Ready(stream.Context()); err != nil {
		return err
	}
	w := rolloutWatch{ledger: s.Ledger, only: fleet.GroupID(request.GetGroup()), stream: stream,
		sent: map[fleet.GroupID]*distributorv1.Rollout{}}
	return w.run(stream.Context(), s.Draining)
}

// A rolloutWatch is one call of WatchRollouts.
type rolloutWatch struct {
	ledger Ledger
	only   fleet.GroupID // empty: every group
	stream grpc.ServerStreamingServer[distributorv1.WatchRolloutsResponse]
	sent   map[fleet.GroupID]*distributorv1.Rollout // what was sent last
}

// run sends rollouts until ctx ends, the replica stops, or the ledger is lost.
func (w *rolloutWatch) run(ctx context.Context, draining <-chan struct{}) error {
	lost := w.ledger.Lost()
	bell, take, end := w.ledger.Changes()
	defer end()
	recount := time.NewTicker(watchRecount)
	defer recount.Stop()
	if err := w.send(groupsOf(w.ledger, string(w.only))); err != nil {
		return err
	}
	if err := w.stream.Send(&distributorv1.WatchRolloutsResponse{Event: &distributorv1.WatchRolloutsResponse_Synced_{
		Synced: &distributorv1.WatchRolloutsResponse_Synced{}}}); err != nil {
		return err
	}
	for {
		var groups []fleet.GroupID
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-draining:
			return fault.New(fault.Down, "STOPPING", "this replica is stopping")
		case <-lost:
			return fault.NoLedger(nil)
		case <-bell:
			groups = take()
		case <-recount.C:
			groups = groupsOf(w.ledger, string(w.only))
		}
		if err := w.send(groups); err != nil {
			return err
		}
		if err := backoff.Sleep(ctx, watchGather); err != nil {
			return err
		}
	}
}

// send sends the newest rollouts of groups, as far as they have changed.
func (w *rolloutWatch) send(groups []fleet.GroupID) error {
	for _, id := range groups {
		all := w.ledger.Rollouts(id)
		if len(all) == 0 || w.only != "" && w.only != id {
			continue
		}
		now := encode(all[0])
		if proto.Equal(now, w.sent[id]) {
			continue
		}
		w.sent[id] = now
		if err := w.stream.Send(&distributorv1.WatchRolloutsResponse{Event: &distributorv1.WatchRolloutsResponse_Rollout{
			Rollout: now}}); err != nil {
			return err
		}
	}
	return nil
}
