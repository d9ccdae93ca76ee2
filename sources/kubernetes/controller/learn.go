package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/sources/kubernetes/content"
	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
)

// learn finds out what the sources hold, what was submitted to them last, and which objects were left out of that.
func (s *sources) learn(ctx context.Context) error {
	retry := backoff.Backoff{Policy: retryPolicy}
	for {
		err := s.learnOnce(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.log.Warn("the present configuration cannot be read, and nothing is submitted before it is", telemetry.Err, err)
		if err := retry.Wait(ctx); err != nil {
			return err
		}
	}
}

// learnOnce learns of the common source, and of those of namespaces that there are.
func (s *sources) learnOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	newest, err := s.remote.revision(ctx, 0)
	if err != nil {
		return err
	}
	s.first = news{revision: newest}
	if s.byNamespace() || len(s.namespaceSources(newest)) > 0 { // entities may have to be moved, or are being moved
		page, err := s.remote.Rollouts().ListRollouts(ctx, &distributorv1.ListRolloutsRequest{Group: s.remote.group, PageSize: 1})
		if err != nil && !missing(err) {
			return err
		}
		if list := page.GetRollouts(); len(list) > 0 {
			s.first.rollout = list[0]
		}
	}
	if err := s.engine(common).learnOnce(ctx); err != nil || !s.byNamespace() {
		return err
	}
	for _, name := range s.namespaceSources(newest) {
		held, err := (&remote{Client: s.remote.Client, group: s.remote.group, source: name}).content(ctx, newest.GetNumber())
		if err != nil {
			return err
		}
		shares := sharesOf(held)
		if !s.owns(name, shares) {
			continue
		}
		for share := range shares {
			if err := s.engine(share).learnOnce(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// learnOnce learns what the source holds. Nothing is submitted to it before.
func (e *engine) learnOnce(ctx context.Context) error {
	if e.learned {
		return nil
	}
	source, err := e.remote.present(ctx)
	if err != nil {
		return err
	}
	if source == nil {
		e.learned = true
		return nil
	}
	newest, err := e.remote.revision(ctx, 0)
	if err != nil {
		return err
	}
	if err := e.readCommitted(ctx, newest); err != nil {
		return err
	}
	last, err := e.remote.lastSubmitted(ctx)
	if err != nil {
		return err
	}
	e.submitted = e.committed
	if last != nil && last.GetNumber() != newest.GetNumber() {
		if e.submitted, err = e.remote.content(ctx, last.GetNumber()); err != nil {
			return err
		}
	}
	if last != nil {
		// The process before may have submitted just now. The clocks of two machines differ: a time to come is now.
		if at := earlier(last.GetCreateTime().AsTime(), e.now()); at.After(e.sources.lastCall) {
			e.sources.lastCall = at
		}
		for ref, c := range remembered(last.GetMessage()) {
			c.share = e.share
			e.broken[ref] = c
		}
	}
	e.history.add(e.committed, e.now())
	if err := e.readPin(ctx, source.GetPin()); err != nil {
		return err
	}
	e.learned = true
	return nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// readPin reads the contents that a pin of a rollout names.
func (e *engine) readPin(ctx context.Context, pin *translatorv1.Pin) error {
	if pin.GetRefusedRevision() == 0 || pin.GetRollout() == "" {
		return nil
	}
	for _, number := range []int64{pin.GetGoodRevision(), pin.GetRefusedRevision()} {
		if _, known := e.contents[number]; known || number == 0 {
			continue
		}
		held, err := e.remote.content(ctx, number)
		if err != nil && !missing(err) {
			return err
		}
		e.contents[number] = delivery.Remember(held)
	}
	e.pin, e.pinned = pin, pinID(pin)
	return nil
}

// pinID tells pins apart.
func pinID(pin *translatorv1.Pin) string {
	return fmt.Sprintf("%s %d", pin.GetRollout(), pin.GetRefusedRevision())
}

// readCommitted reads what the source holds in the newest revision.
func (e *engine) readCommitted(ctx context.Context, newest *client.Revision) error {
	held, err := e.remote.content(ctx, newest.GetNumber())
	if err != nil {
		return err
	}
	e.commit(newest, held, delivery.Remember(held))
	return nil
}

// commit notes that a revision holds a content.
func (e *engine) commit(revision *client.Revision, held *content.Content, sums delivery.Remembered) {
	e.committed, e.head, e.digest = held, revision.GetNumber(), digestIn(revision, e.remote.source)
	e.contents[e.head] = sums
}

// follow learns the contents of revisions that others made, and of those that the rollout names.
func (e *engine) follow(ctx context.Context, revision *client.Revision, rollout *client.Rollout) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if revision.GetNumber() > e.head {
		if mine := digestIn(revision, e.remote.source); mine == e.digest {
			e.contents[revision.GetNumber()] = e.contents[e.head] // of another source
			e.head = revision.GetNumber()
		} else if err := e.readCommitted(ctx, revision); err != nil {
			return err
		}
	}
	if err := e.noticePin(ctx); err != nil {
		return err
	}
	e.rollout = rollout
	for _, number := range []int64{rollout.GetStableRevision(), rollout.GetCandidateRevision()} {
		if _, known := e.contents[number]; number == 0 || known {
			continue
		}
		same, err := e.sameContent(ctx, number)
		if err != nil {
			return err
		}
		if len(same) > 0 {
			e.contents[number] = e.contents[same[0]]
			continue
		}
		held, err := e.remote.content(ctx, number)
		if missing(err) {
			continue // collected
		}
		if err != nil {
			return err
		}
		e.contents[number] = delivery.Remember(held)
	}
	used := []int64{e.head, rollout.GetStableRevision(), rollout.GetCandidateRevision(), e.pin.GetGoodRevision(), e.pin.GetRefusedRevision()}
	maps.DeleteFunc(e.contents, func(number int64, _ delivery.Remembered) bool {
		return number < e.head && !slices.Contains(used, number)
	})
	return nil
}

// sameContent are the remembered revisions in which the source has the content that it has in a revision. Of a fleet with many sources most
// revisions are of other ones.
func (e *engine) sameContent(ctx context.Context, number int64) ([]int64, error) {
	revision, err := e.sources.revisions.get(ctx, number)
	if err != nil || revision == nil {
		return nil, err
	}
	var same []int64
	for other := range e.contents {
		known := e.sources.revisions.known[other]
		if known != nil && digestIn(known, e.remote.source) == digestIn(revision, e.remote.source) {
			same = append(same, other)
		}
	}
	slices.Sort(same)
	return same, nil
}

func digestIn(r *client.Revision, source string) string {
	for _, s := range r.GetSources() {
		if s.GetName() == source {
			return s.GetDigest()
		}
	}
	return ""
}
