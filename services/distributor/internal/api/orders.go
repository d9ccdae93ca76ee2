package api

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/message"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// obeyTimeout is how long a call waits for the leader to obey. The order stays stored after it.
const obeyTimeout = 15 * time.Second

// behind is how long a call that finds nothing waits for news of the translator and the registry.
const behind = time.Second

// An orderRequest is what the requests of all verbs have in common.
type orderRequest interface {
	GetGroup() string
	GetReason() string
	GetRequestId() string
}

// newOrder fills in an order from a request.
func newOrder(ctx context.Context, request orderRequest, o rollout.Order) (rollout.Order, error) {
	if strings.TrimSpace(request.GetReason()) == "" {
		return o, fault.InvalidFields(fault.Violation{Field: "reason", Description: "say why: it is kept in the history"})
	}
	o.ID, o.Reason, o.Author, o.Time = request.GetRequestId(), request.GetReason(), authorOf(ctx), time.Now().UTC()
	if o.ID == "" {
		o.ID = uuid.NewString()
	}
	return o, nil
}

// orderRollout stores an order for the newest rollout of a group. Once the leader has obeyed it returns that rollout, or the new one that
// the order began.
func (s *RolloutService) orderRollout(ctx context.Context, request interface {
	orderRequest
	GetRollout() string
}, o rollout.Order) (*distributorv1.Rollout, error) {
	o, err := newOrder(ctx, request, o)
	if err != nil {
		return nil, err
	}
	if err := s.Ledger.Ready(ctx); err != nil {
		return nil, err
	}
	group := fleet.GroupID(request.GetGroup())
	bell, _, end := s.Ledger.Changes()
	defer end()
	all := s.Ledger.Rollouts(group)
	for _, r := range all {
		if r.Has(o.ID) {
			return encode(r), nil // the answer to the first call was lost
		}
	}
	if request.GetRequestId() != "" {
		// The order may have been stored for a rollout that this replica has not heard of, or that has ended since.
		first, found, err := s.Ledger.FindOrder(ctx, group, o.ID)
		if err != nil {
			return nil, err
		}
		if found {
			return s.awaitObeyed(ctx, group, first, bell)
		}
	}
	if len(all) == 0 {
		return nil, fault.New(fault.Missing, "ROLLOUT_NOT_FOUND", "group %q has no rollout yet", group).With("group", string(group))
	}
	newest := all[0]
	if id := request.GetRollout(); id != "" && id != string(newest.ID) {
		return nil, fault.New(fault.WrongState, "NOT_THE_NEWEST_ROLLOUT", "rollout %q is not the newest of group %q, which is %s to revision %d",
			id, group, newest.ID, newest.Candidate.Revision).With("rollout", string(newest.ID))
	}
	// Promoting a rollout that has ended lets the next one begin, when that only waits for a change window or the load
	// interval.
	o.Begin = o.Verb == rollout.Promote && !newest.State.Open() && s.waits(ctx, group)
	// What is so already is stored all the same: repeated after the next rollout began, the call must not be an order for that one.
	o.Done = o.Verb.Repeats(newest.Rollout)
	if why := o.Refuses(newest.Rollout); why != "" && !o.Done {
		return nil, fault.New(fault.WrongState, "ROLLOUT_STATE", "%s", why).With("state", string(newest.State))
	}
	if frozen := s.Ledger.Orders(group).Frozen(); frozen != nil && o.Verb == rollout.Retry && !o.Done {
		return nil, fault.New(fault.WrongState, "GROUP_FROZEN", "%s froze group %q: %s; silverback unfreeze lets it begin rollouts",
			frozen.Author, group, frozen.Reason).With("group", string(group))
	}
	o.Rollout = newest.ID
	if o, err = s.Ledger.AddOrder(ctx, group, o); err != nil {
		return nil, err
	}
	return s.awaitObeyed(ctx, group, o, bell)
}

// waits reports whether the newest revision of a group waits for a change window or the load interval. This replica may hear of a revision
// that was submitted just now a little later.
func (s *RolloutService) waits(ctx context.Context, group fleet.GroupID) bool {
	return soon(ctx, func() bool { return s.Ledger.Waits(group) })
}

// groupExists reports whether there is a group. A replica that has just started hears of the groups a little later.
func groupExists(ctx context.Context, ledger Ledger, group fleet.GroupID) bool {
	return soon(ctx, func() bool { return ledger.Known(group) })
}

// soon reports whether something is so, within the time that this replica may be behind.
func soon(ctx context.Context, is func() bool) bool {
	for until := time.Now().Add(behind); !is(); {
		if time.Now().After(until) || backoff.Sleep(ctx, behind/20) != nil {
			return false
		}
	}
	return true
}

// awaitObeyed waits until the leader has obeyed an order.
func (s *RolloutService) awaitObeyed(ctx context.Context, group fleet.GroupID, o rollout.Order, bell <-chan struct{}) (
	*distributorv1.Rollout, error) {
	over := time.After(obeyTimeout)
	for {
		all := s.Ledger.Rollouts(group)
		done, never := outcome(o, all)
		switch {
		case done != nil:
			return done, nil
		case never != "":
			return nil, fault.New(fault.WrongState, "ROLLOUT_STATE", "%s", never).With("state", string(all[0].State))
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-over:
			return nil, fault.New(fault.Down, "ORDER_PENDING", "the order is kept, and no leader has obeyed it within %s; silverback rollout "+
				"status -g %s shows when it does", obeyTimeout, group)
		case <-bell:
		}
	}
}

// outcome returns the rollout that obeyed an order, or why none ever will.
func outcome(o rollout.Order, all []Counted) (done *distributorv1.Rollout, never string) {
	rollouts := make([]rollout.Rollout, len(all))
	for i := range all {
		rollouts[i] = all[i].Rollout
	}
	what := o.Outcome(rollouts)
	for i := range all {
		if all[i].ID == what.Obeyed {
			return encode(all[i]), ""
		}
	}
	return nil, what.Never
}

// encode returns the message of a rollout as it is now.
func encode(r Counted) *distributorv1.Rollout {
	m := message.Rollout(r.Rollout, r.Now, r.Gates, r.Next)
	if r.Frozen != nil {
		m.Frozen = message.Order(*r.Frozen)
	}
	m.Forecast = message.Forecast(r.Forecast)
	if r.Interval != nil {
		m.LoadInterval = durationpb.New(*r.Interval)
	}
	return m
}

// orderGroup freezes or unfreezes a group. A group that has no rollout yet can be frozen too. When it is frozen already, the first reason
// stands.
func (s *RolloutService) orderGroup(ctx context.Context, request orderRequest, verb rollout.Verb) (*distributorv1.Order, error) {
	o, err := newOrder(ctx, request, rollout.Order{Verb: verb})
	if err != nil {
		return nil, err
	}
	group := fleet.GroupID(request.GetGroup())
	if err := fleet.ValidName("group", string(group)); err != nil {
		return nil, fault.InvalidFields(fault.Violation{Field: "group", Description: err.Error()})
	}
	if err := s.Ledger.Ready(ctx); err != nil {
		return nil, err
	}
	if !groupExists(ctx, s.Ledger, group) {
		return nil, fault.New(fault.Missing, "NO_SUCH_GROUP", "there is no group %q", group).With("group", string(group))
	}
	kept, err := s.Ledger.AddOrder(ctx, group, o)
	if err != nil {
		return nil, err
	}
	return message.Order(kept), nil
}
