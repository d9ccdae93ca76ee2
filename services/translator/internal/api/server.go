// Package api decodes the translator's calls, hands them to the service, and encodes the answers. It decides nothing.
package api

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/identity"
	"github.com/silverback-gateway/silverback/kit/wire"
	"github.com/silverback-gateway/silverback/kong/compile"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/services/translator/internal/desired"
)

// lister is the part of the ledger that only lists need.
type lister interface {
	Revisions(ctx context.Context, g fleet.GroupID, before fleet.Revision, limit int) ([]*desired.Revision, error)
	Sources(ctx context.Context, only fleet.GroupID, after string, limit int) (sources []desired.Source, next string, err error)
}

// heads tells the newest revision of every group.
type heads interface {
	// Newest returns the heads that were written after an etcd revision, and the revision up to which that is complete.
	Newest(group fleet.GroupID, after int64) (revisions []*desired.Revision, at int64)
	// Changes returns a channel that is closed at the next change.
	Changes() <-chan struct{}
	// Synced is closed once everything that was there at the start is known.
	Synced() <-chan struct{}
}

// Server implements the TranslatorService.
type Server struct {
	translatorv1.UnimplementedTranslatorServiceServer

	Service *desired.Service
	Lists   lister
	Heads   heads
	Drain   <-chan struct{} // closed when watches shall end, so that clients go elsewhere
}

func documents(in []*translatorv1.Document) []compile.Document {
	out := make([]compile.Document, len(in))
	for i, d := range in {
		out[i] = compile.Document{Name: d.GetName(), Content: d.GetContent()}
	}
	return out
}

func sourceOf(name string) fleet.SourceID {
	if name == "" {
		return desired.DefaultSource
	}
	return fleet.SourceID(name)
}

// maxNote bounds what a caller says about a change, in bytes; the contract bounds its characters.
const maxNote = 16 << 10

// authorOf says who calls, as far as callers are told apart.
func authorOf(ctx context.Context) string {
	if who := identity.Caller(ctx); who.Kind != identity.Nobody {
		return who.Name
	}
	return "anonymous"
}

// doerOf says who calls, for what a rollout asks for as well: that is Silverback itself.
func doerOf(ctx context.Context, rollout string) string {
	who := identity.Caller(ctx)
	if who.Kind == identity.Service || who.Kind == identity.Nobody && rollout != "" {
		return "silverback"
	}
	return authorOf(ctx)
}

func summary(s desired.Summary) *translatorv1.ChangeSummary {
	return &translatorv1.ChangeSummary{Added: s.Added, Changed: s.Changed, Removed: s.Removed}
}

func revision(r *desired.Revision) *translatorv1.Revision {
	if r == nil {
		return nil
	}
	m := &translatorv1.Revision{
		Group: string(r.Group), Number: int64(r.Number), Digest: string(r.Digest), SizeBytes: r.Size, Entities: r.Entities,
		Source: string(r.Source),
		Author: r.Author, Message: r.Message, CreateTime: timestamppb.New(r.CreateTime), Changes: summary(r.Changes), RequestId: r.RequestID,
		Traceparent:       string(r.Trace),
		ReplacesUnmanaged: r.Replaces,
		RestoredRevision:  int64(r.Restored),
		TargetStreak:      wire.StreakMessage(r.Streak),
	}
	for _, s := range r.Sources {
		m.Sources = append(m.Sources, &translatorv1.SourceRef{Name: string(s.Name), Digest: string(s.Fragment), EntityCount: s.Entities})
	}
	return m
}

func source(s desired.Source) *translatorv1.Source {
	return &translatorv1.Source{
		Group: string(s.Group), Name: string(s.Name), Digest: string(s.Fragment), EntityCount: s.Entities, Documents: s.Documents,
		Revision: int64(s.Revision), Author: s.Author, UpdateTime: timestamppb.New(s.UpdateTime), Pin: pin(s.Pin),
	}
}

func pin(p *desired.Pin) *translatorv1.Pin {
	if p == nil {
		return nil
	}
	return &translatorv1.Pin{
		Reason: p.Reason, Author: p.Author, CreateTime: timestamppb.New(p.CreateTime), Rollout: p.Rollout, GoodRevision: int64(p.Good),
		RefusedRevision: int64(p.Refused), RefusedDigest: string(p.RefusedFragment), Problems: wire.ProblemMessages(p.Problems),
	}
}

// about is the source of an answer; nil when it is gone.
func about(s *desired.Source) *translatorv1.Source {
	if s == nil {
		return nil
	}
	return source(*s)
}
