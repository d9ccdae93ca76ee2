package api

import (
	"strconv"
	"time"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/services/translator/internal/desired"
)

// idleSync is how often a quiet watch says how far it is.
const idleSync = 15 * time.Second

// WatchRevisions implements the rpc of that name. A resume token is an etcd revision. Since heads are replaced and never deleted, what a
// client missed is the heads that were written since: no history is needed, and every replica can resume any watch.
func (s *Server) WatchRevisions(r *translatorv1.WatchRevisionsRequest, stream translatorv1.TranslatorService_WatchRevisionsServer) error {
	ctx := stream.Context()
	var sent int64
	if r.GetResumeToken() != "" {
		var err error
		if sent, err = strconv.ParseInt(r.GetResumeToken(), 10, 64); err != nil || sent < 0 {
			return fault.InvalidFields(fault.Violation{Field: "resume_token", Description: "is not from a watch of this call"})
		}
	}
	select {
	case <-s.Heads.Synced():
	case <-ctx.Done():
		return ctx.Err()
	case <-s.Drain:
		return errDraining
	}
	if sent == 0 {
		if err := stream.Send(&translatorv1.WatchRevisionsResponse{Event: &translatorv1.WatchRevisionsResponse_Listing_{
			Listing: &translatorv1.WatchRevisionsResponse_Listing{}}}); err != nil {
			return err
		}
	}
	idle := time.NewTicker(idleSync)
	defer idle.Stop()
	for {
		changed := s.Heads.Changes()
		revisions, at := s.Heads.Newest(fleet.GroupID(r.GetGroup()), sent)
		for _, one := range revisions {
			if err := stream.Send(&translatorv1.WatchRevisionsResponse{Event: &translatorv1.WatchRevisionsResponse_Revision{
				Revision: revision(one)}, Pinned: pinned(one)}); err != nil {
				return err
			}
		}
		// A replica that is behind the one that the client came from must not send it back in time.
		sent = max(sent, at)
		synced := &translatorv1.WatchRevisionsResponse_Synced{ResumeToken: strconv.FormatInt(sent, 10)}
		if err := stream.Send(&translatorv1.WatchRevisionsResponse{Event: &translatorv1.WatchRevisionsResponse_Synced_{
			Synced: synced}}); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-idle.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.Drain:
			return errDraining
		}
	}
}

// pinned returns the sources that are pinned by the head of a group. What gateways refused of them is in the sources.
func pinned(head *desired.Revision) *translatorv1.WatchRevisionsResponse_PinnedSources {
	m := &translatorv1.WatchRevisionsResponse_PinnedSources{}
	for i := range head.Pins {
		short := head.Pins[i].Pin
		short.Problems = nil
		m.Sources = append(m.Sources, &translatorv1.WatchRevisionsResponse_PinnedSource{Source: string(head.Pins[i].Name), Pin: pin(&short)})
	}
	return m
}

var errDraining = fault.New(fault.Down, "DRAINING", "this replica is stopping; another one will answer")
