package api

import (
	"context"
	"strconv"
	"time"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
)

// A Journal holds the events of the ledger.
type Journal interface {
	// Ready waits until the ledger has been read.
	Ready(ctx context.Context) error
	// Lost returns a channel that is closed when etcd stops answering this replica.
	Lost() <-chan struct{}
	// Read returns the events as they are now.
	Read() event.Reading
	// Known returns up to which sequence there can be events in etcd, whatever this replica has heard of.
	Known(ctx context.Context) (event.Sequence, error)
}

// EventService implements the service of that name. Watches end when Draining is closed.
type EventService struct {
	distributorv1.UnimplementedEventServiceServer
	Journal  Journal
	Draining <-chan struct{}
	// SendTimeout is how long a client may take to take what is sent; 0: DefaultSendTimeout.
	SendTimeout time.Duration
}

// filterOf checks the filter of a request.
func filterOf(groups, reasons []string) (f event.Filter, err error) {
	for _, g := range groups {
		f.Groups = append(f.Groups, fleet.GroupID(g))
	}
	for _, r := range reasons {
		if !event.Reason(r).Known() {
			return f, fault.InvalidFields(fault.Violation{Field: "reasons", Description: strconv.Quote(r) + " is no reason that this version " +
				"knows; docs/events.md lists them"})
		}
		f.Reasons = append(f.Reasons, event.Reason(r))
	}
	return f, nil
}

// outOfRange adds to a fault how to go on.
func outOfRange(f *fault.Error, r event.Reading) *fault.Error {
	number := func(s event.Sequence) string { return strconv.FormatInt(int64(s), 10) }
	return f.With("oldest", number(r.Oldest())).With("newest", number(r.Newest())).With("resume_after", number(r.Trimmed))
}

// trimmedAfter returns the fault of a reader that was not as far as events were deleted.
func trimmedAfter(after event.Sequence, r event.Reading) error {
	return outOfRange(fault.New(fault.OutOfRange, "EVENTS_TRIMMED", "events after %d were deleted, up to %d; what is kept begins after that: "+
		"resume after %[2]d, and look at what is so now", after, r.Trimmed), r)
}
