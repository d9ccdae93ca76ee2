// Package api answers the calls of the distributor: it decodes, calls, encodes. It knows no storage and decides nothing.
package api

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/recovery"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// A Counted is a rollout with its present progress.
type Counted struct {
	rollout.Rollout
	Now   rollout.Progress
	Gates []rollout.GateResult
	Next  string // what it waits for and what comes next; empty when it has ended
	// Forecast is what its loads take; nil when it has ended.
	Forecast *rollout.Forecast
	// Interval is the least time until the next rollout's first load; nil for all rollouts but the newest of a group.
	Interval *time.Duration
	// Frozen is the order that freezes the group of its newest rollout, or nil.
	Frozen *rollout.Order
}

// A Ledger holds decisions and the progress of rollouts.
type Ledger interface {
	// Ready waits until the ledger has been read.
	Ready(ctx context.Context) error
	// Lost returns a channel that is closed when etcd stops answering this replica: the ledger may be outdated from then on.
	Lost() <-chan struct{}
	// Groups returns the groups that have a rollout or an assignment, by name.
	Groups() []fleet.GroupID
	// Rollouts returns the rollouts of a group, the newest first.
	Rollouts(group fleet.GroupID) []Counted
	// Assignment returns the assignment of a group.
	Assignment(group fleet.GroupID) (rollout.Assignment, bool)
	// Known reports whether the registry or the ledger has the group, as far as this replica knows.
	Known(group fleet.GroupID) bool
	// Waits reports whether the newest revision of a group waits for a change window or the load interval.
	Waits(group fleet.GroupID) bool
	// Orders returns the orders for a group.
	Orders(group fleet.GroupID) rollout.Orders
	// FindOrder returns the order of a group with that id, also when this replica has not heard of it yet.
	FindOrder(ctx context.Context, group fleet.GroupID, id string) (rollout.Order, bool, error)
	// AddOrder stores an order for the leader and returns it. When its id is known, or it is to freeze a frozen group, it returns the order
	// that stands.
	AddOrder(ctx context.Context, group fleet.GroupID, o rollout.Order) (rollout.Order, error)
	// State returns the present epoch of the ledger and the nodes that are ahead of it.
	State(ctx context.Context) (recovery.State, error)
	// Problem says why nothing can be written now; empty when no reason is known.
	Problem() string
	// Members returns the size of each member of etcd that told it.
	Members() []etcdkv.MemberSize
	// Recover begins another epoch and returns the new state.
	Recover(ctx context.Context, o recovery.Request) (recovery.State, error)
	// Changes returns a channel that receives when groups may have changed, a function that takes these groups, and one that ends the
	// subscription.
	Changes() (bell <-chan struct{}, take func() []fleet.GroupID, end func())
}

// RolloutService implements the service of that name. Watches end when Draining is closed.
type RolloutService struct {
	distributorv1.UnimplementedRolloutServiceServer
	Ledger   Ledger
	Draining <-chan struct{}
}

// encodeToken returns the page token for the place where the next page begins. It is encoded so that clients do not build tokens.
func encodeToken(parts ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, "/")))
}

func decodeToken(token string, parts int) ([]string, error) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return nil, badToken()
	}
	all := strings.Split(string(text), "/")
	if len(all) != parts {
		return nil, badToken()
	}
	return all, nil
}

func badToken() error {
	return fault.InvalidFields(fault.Violation{Field: "page_token", Description: "is not one that was given"})
}

func groupsOf(l Ledger, only string) []fleet.GroupID {
	if only != "" {
		return []fleet.GroupID{fleet.GroupID(only)}
	}
	return l.Groups()
}
