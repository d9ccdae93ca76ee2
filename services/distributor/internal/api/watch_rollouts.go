package api

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// watchGather is how long changes are collected, so that a fleet's progress is a picture and not a flood.
const watchGather = 50 * time.Millisecond

// watchRoster is how often nodes are counted anew although no replica wrote anything: the roster rings for every
// renewal of every node.
const watchRoster = time.Second

// WatchRollouts streams the newest rollout of each group, then every change.
func (s *RolloutService) WatchRollouts(request *distributorv1.WatchRolloutsRequest,
	stream grpc.ServerStreamingServer[distributorv1.WatchRolloutsResponse]) error {
	ctx := stream.Context()
	if err := s.Ledger.Ready(ctx); err != nil {
		return err
	}
	lost := s.Ledger.Lost()
	bell, take, end := s.Ledger.Changes()
	defer end()
	roster := time.NewTicker(watchRoster)
	defer roster.Stop()
	sent := map[fleet.GroupID]*distributorv1.Rollout{}
	show := func(groups []fleet.GroupID) error {
		for _, id := range groups {
			all := s.Ledger.Rollouts(id)
			if len(all) == 0 || request.GetGroup() != "" && request.GetGroup() != string(id) {
				continue
			}
			now := message(all[0])
			if proto.Equal(now, sent[id]) {
				continue
			}
			sent[id] = now
			if err := stream.Send(&distributorv1.WatchRolloutsResponse{Event: &distributorv1.WatchRolloutsResponse_Rollout{
				Rollout: now}}); err != nil {
				return err
			}
		}
		return nil
	}
	if err := show(groupsOf(s.Ledger, request.GetGroup())); err != nil {
		return err
	}
	if err := stream.Send(&distributorv1.WatchRolloutsResponse{Event: &distributorv1.WatchRolloutsResponse_Synced_{
		Synced: &distributorv1.WatchRolloutsResponse_Synced{}}}); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.Draining:
			return fault.New(fault.Down, "STOPPING", "this replica is stopping")
		case <-lost:
			return fault.NoLedger(nil)
		case <-bell:
			if err := show(take()); err != nil {
				return err
			}
		case <-roster.C:
			if err := show(groupsOf(s.Ledger, request.GetGroup())); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(watchGather):
		}
	}
}
