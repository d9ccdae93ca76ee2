package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kit/wire"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// pinTimeout bounds how long the translator may take to pin sources. A failed call is repeated.
const pinTimeout = 30 * time.Second

// errNotPinned means that the translator did not pin the sources; the call is repeated.
var errNotPinned = errors.New("the translator has not pinned the sources yet")

// maxReason bounds the reason of a pin; the contract allows no more.
const maxReason = 512

// conflicts is the fault of a restoration whose content does not fit the present content of other sources.
var conflicts = &fault.Error{Kind: fault.Invalid, Reason: "INVALID_CONFIG"}

// wider returns the request that goes back to the stable revision with every source, when some alone do not fit the others: somebody
// submitted content since that needs what is taken back. Sources pinned by hand stay.
func wider(r *translatorv1.RestoreSourcesRequest) *translatorv1.RestoreSourcesRequest {
	const why = "; other sources need what is taken back"
	r = proto.CloneOf(r)
	r.Sources, r.FromRevision, r.RequestId = nil, 0, r.GetRequestId()+"-all"
	r.Reason = clean.Line(r.GetReason(), maxReason-len(why)) + why
	return r
}

// pinnedBy returns the sources that a rollout has pinned.
func (l *leadership) pinnedBy(ctx context.Context, r rollout.Rollout) (all []fleet.SourceID, err error) {
	for token := ""; ; {
		page, err := l.Translator.ListSources(ctx, &translatorv1.ListSourcesRequest{Group: string(r.Group), PageToken: token})
		switch {
		case errors.Is(fault.FromStatus(err), fault.Of(fault.Denied)):
			return nil, nil // a translator of an older version
		case err != nil:
			return nil, err
		}
		for _, s := range page.GetSources() {
			if s.GetPin().GetRollout() == string(r.ID) {
				all = append(all, fleet.SourceID(s.GetName()))
			}
		}
		if token = page.GetNextPageToken(); token == "" {
			return all, nil
		}
	}
}

// pin pins the sources of a bad candidate at the translator, and returns the decision that records it; the zero Decision when the call must
// be repeated. The request id makes a repeated call harmless, also by the next leader.
func (l *leadership) pin(ctx context.Context, r rollout.Rollout) rollout.Decision {
	ctx, cancel := context.WithTimeout(ctx, pinTimeout)
	defer cancel()
	request := &translatorv1.RestoreSourcesRequest{
		Group: string(r.Group), ToRevision: int64(r.Stable.Revision), FromRevision: int64(r.Candidate.Revision), SkipChanged: true,
		Reason: clean.Line(r.Reason, maxReason), RequestId: fmt.Sprintf("rollout-%s", r.ID), AllowShrink: true,
		Pin: &translatorv1.Pin{Rollout: string(r.ID)},
	}
	for _, source := range rollout.Culprits(r.Refusals) {
		request.Sources = append(request.Sources, string(source))
	}
	for _, x := range r.Refusals {
		request.Pin.Problems = append(request.Pin.Problems, wire.ProblemMessage(x.Problem))
	}
	answer, err := l.Translator.RestoreSources(ctx, request)
	if errors.Is(fault.FromStatus(err), conflicts) {
		answer, err = l.Translator.RestoreSources(ctx, wider(request))
	}
	attributes := []any{telemetry.Group, r.Group, telemetry.Rollout, r.ID}
	switch kind := fault.KindOf(fault.FromStatus(err)); {
	case err == nil:
	case kind == fault.Missing || kind == fault.Invalid || kind == fault.WrongState || kind == fault.Unimplemented:
		// A repeated call would fail too: the revision was deleted, or the translator is of an older version.
		l.Log.Error("sources not pinned", append(attributes, telemetry.Err, rpc.Why(err))...)
		return rollout.Pinned(r, nil, 0, rpc.Why(err))
	default:
		l.Log.Warn("sources not pinned yet; trying again", append(attributes, telemetry.Err, rpc.Why(err))...)
		return rollout.Decision{}
	}
	var pinned []fleet.SourceID
	for _, name := range answer.GetRestored() {
		pinned = append(pinned, fleet.SourceID(name))
	}
	problem := ""
	if len(pinned) == 0 {
		// The leader before has pinned them, and did not record it.
		pinned, err = l.pinnedBy(ctx, r)
	}
	switch {
	case err != nil:
		l.Log.Warn("sources not pinned yet; trying again", append(attributes, telemetry.Err, rpc.Why(err))...)
		return rollout.Decision{}
	case len(pinned) == 0:
		problem = "no source was pinned: none of those that the candidate changed still has that content"
	}
	l.Log.Warn("sources pinned", append(attributes, "sources", fmt.Sprint(pinned), telemetry.Revision, answer.GetRevision().GetNumber())...)
	return rollout.Pinned(r, pinned, fleet.Revision(answer.GetRevision().GetNumber()), problem)
}
