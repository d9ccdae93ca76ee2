package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/sources/kubernetes/content"
	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
)

// learn finds out what the source holds, what was submitted to it last, and which objects were left out of that.
func (e *engine) learn(ctx context.Context) error {
	retry := backoff.Backoff{Policy: e.retry.Policy}
	for {
		err := e.learnOnce(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		e.log.Warn("the present configuration cannot be read, and nothing is submitted before it is", telemetry.Err, err)
		if err := retry.Wait(ctx); err != nil {
			return err
		}
	}
}

func (e *engine) learnOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	source, err := e.remote.present(ctx)
	if err != nil || source == nil {
		return err
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
		e.broken = remembered(last.GetMessage())
	}
	e.history.add(e.committed, e.now())
	return e.readPin(ctx, source.GetPin())
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

func digestIn(r *client.Revision, source string) string {
	for _, s := range r.GetSources() {
		if s.GetName() == source {
			return s.GetDigest()
		}
	}
	return ""
}
