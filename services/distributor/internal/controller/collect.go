package controller

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/services/distributor/internal/store"
)

// Retention is which revisions the leader has the translator keep.
type Retention struct {
	Interval  time.Duration // how often the others are collected; 0: never
	Revisions int           // of a group that are kept at least
	Age       time.Duration // how long a revision is kept after the next one took its place
}

const (
	collectTimeout = 10 * time.Minute
	collectJitter  = 0.5
)

// collect has the translator delete old revisions, again and again, until ctx ends.
func (l *leadership) collect(ctx context.Context) {
	if l.Retention.Interval <= 0 {
		return
	}
	for backoff.Sleep(ctx, backoff.Jitter(l.Retention.Interval, collectJitter)) == nil {
		err := l.collectOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		l.Metrics.collected(err)
		if err != nil {
			l.Log.Warn("old revisions not collected; trying again later", telemetry.Err, rpc.Why(err))
		}
	}
}

// collectOnce names what is in use to the translator, which deletes what is old and not named. A leader that was replaced meanwhile does no
// harm: what was out of use when the ledger was read stays so.
func (l *leadership) collectOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, collectTimeout)
	defer cancel()
	groups, at, unread, err := store.ReadInUse(ctx, l.Etcd)
	if err != nil {
		return err
	}
	if len(unread) > 0 {
		// Their digests could not be named either, so nothing is collected.
		return fault.New(fault.WrongState, "LEDGER_UNREADABLE", "the records of these groups cannot be read: %v", unread)
	}
	if len(groups) == 0 {
		return nil
	}
	request := &translatorv1.CollectRevisionsRequest{
		LedgerRevision: at, KeepRevisions: int32(l.Retention.Revisions), KeepAge: durationpb.New(l.Retention.Age),
	}
	for _, g := range groups {
		inUse := &translatorv1.RevisionsInUse{Group: string(g.Group)}
		for _, n := range g.Revisions {
			inUse.Revisions = append(inUse.Revisions, int64(n))
		}
		for _, d := range g.Digests {
			inUse.Digests = append(inUse.Digests, string(d))
		}
		request.Groups = append(request.Groups, inUse)
	}
	answer, err := l.Translator.CollectRevisions(ctx, request)
	if err != nil {
		return fmt.Errorf("collect revisions: %w", err)
	}
	l.Metrics.kept.Set(float64(answer.GetKeptRevisions()))
	return nil
}
