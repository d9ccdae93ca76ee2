// Package api answers the calls of the distributor: it decodes, asks, encodes. It knows no storage and decides nothing.
package api

import (
	"context"
	"encoding/base64"
	"strings"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/recovery"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// A Counted is a rollout with its progress as it is now.
type Counted struct {
	rollout.Rollout
	Now   rollout.Progress
	Gates []rollout.GateResult
	Next  string // what it waits for and what comes next; empty when it has ended
	// Frozen is the order that freezes the group of its newest rollout, or nil.
	Frozen *rollout.Order
}

// A Ledger is what was decided, and how far it has come.
type Ledger interface {
	// Ready returns once the ledger holds everything there was at the start, or with an error.
	Ready(ctx context.Context) error
	// Lost returns a channel that is closed when the ledger does not answer this replica any more: what it shows may be old then.
	Lost() <-chan struct{}
	// Groups returns the groups that have a rollout or an assignment, by name.
	Groups() []fleet.GroupID
	// Rollouts returns the rollouts of a group, the newest first.
	Rollouts(group fleet.GroupID) []Counted
	// Assignment returns the assignment of a group.
	Assignment(group fleet.GroupID) (rollout.Assignment, bool)
	// Known reports whether the registry, as far as this replica knows, or the ledger has the group.
	Known(group fleet.GroupID) bool
	// Orders returns what operators ordered for a group.
	Orders(group fleet.GroupID) rollout.Orders
	// AddOrder keeps an order for the leader, and returns it; or the one with the same id that was kept before.
	AddOrder(ctx context.Context, group fleet.GroupID, o rollout.Order) (rollout.Order, error)
	// State returns the epoch of the ledger as it is now, and which nodes are ahead of it.
	State(ctx context.Context) (recovery.State, error)
	// Problem says why nothing can be written now; empty when nothing is known to stand in the way.
	Problem() string
	// Recover begins another epoch, and returns the state thereafter.
	Recover(ctx context.Context, o recovery.Request) (recovery.State, error)
	// Changes returns a channel that receives when a group may have changed, how to take those groups, and how to end it.
	Changes() (bell <-chan struct{}, take func() []fleet.GroupID, end func())
}

// RolloutService implements the service of that name. Watches end when Draining is closed.
type RolloutService struct {
	distributorv1.UnimplementedRolloutServiceServer
	Ledger   Ledger
	Draining <-chan struct{}
}

const (
	defaultPage = 100
	largestPage = 1000
)

func pageSize(asked int32) int {
	if asked == 0 {
		return defaultPage
	}
	return min(int(asked), largestPage)
}

// A page token is the place after which the next page begins; encoded, so that nobody builds one.
func encodeToken(parts ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, "/")))
}

func decodeToken(token string, parts int) ([]string, error) {
	bad := fault.InvalidFields(fault.Violation{Field: "page_token", Description: "is not one that was given"})
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return nil, bad
	}
	all := strings.Split(string(text), "/")
	if len(all) != parts {
		return nil, bad
	}
	return all, nil
}

func groupsOf(l Ledger, only string) []fleet.GroupID {
	if only != "" {
		return []fleet.GroupID{fleet.GroupID(only)}
	}
	return l.Groups()
}
