package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/backoff"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

const (
	defaultTimeout = 10 * time.Minute
	lastAsk        = 3 * time.Second // for all replicas together, after the timeout
	askTimeout     = 5 * time.Second // for the translator's answer whether a revision holds the source
	askPause       = 200 * time.Millisecond
	historyPage    = 50 // revisions that a group keeps
)

// Submit replaces the whole content of a source by documents. When that changes the merge of the group's sources, the response has a new
// revision. Refused documents are an [*Error] with Problems. Submit sets the RequestId when it is empty, so that repeating the call is
// safe.
func (c *Client) Submit(ctx context.Context, request *SubmitRequest) (*SubmitResponse, error) {
	request.RequestId = cmp.Or(request.GetRequestId(), uuid.NewString())
	return c.Translator().SubmitConfig(ctx, request)
}

// WaitOptions are the options of [Client.Wait]. The zero value is usable.
type WaitOptions struct {
	Source   string         // the submitted source; empty means the one that made the revision
	Timeout  time.Duration  // 0 means ten minutes; an earlier deadline of ctx wins
	Progress func(*Rollout) // called with each change of the rollout of the revision or of a later one, by the goroutine of Wait
	// Held is called instead while the previous rollout has ended and none to the revision has started: [Rollout.Next] has what it waits for,
	// such as the end of a freeze or a change window.
	Held func(*Rollout)
}

// Wait waits until every online gateway of the group serves a revision, or a later one that holds the same content of the source, and
// returns the rollout that reached it. Rollouts may leave nodes out; see [Rollout.LeftOut].
//
// Its errors are a [*HaltedError], an [*OverwrittenError], a [*NotConvergedError] after the timeout, an [*UnverifiedError], the cause of
// ctx when it was cancelled, or an [*Error] when a service refused. In every case the revision stays committed and its rollout goes on.
func (c *Client) Wait(ctx context.Context, revision *Revision, o WaitOptions) (*Rollout, error) {
	timeout := cmp.Or(o.Timeout, defaultTimeout)
	w := &wait{client: c, revision: revision, source: cmp.Or(o.Source, revision.GetSource()), progress: o.Progress,
		onHeld: o.Held}
	watching, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if !c.watch(watching, revision.GetGroup(), func(r *Rollout, err error) bool { return w.see(watching, r, err) }) {
		if !errors.Is(context.Cause(watching), context.DeadlineExceeded) {
			return nil, fmt.Errorf("wait for revision %d: %w", revision.GetNumber(), context.Cause(watching))
		}
		w.askAll(ctx)
	}
	switch {
	case w.err != nil:
		return nil, w.err
	case w.last == nil:
		return nil, &NotConvergedError{Revision: revision.GetNumber(), After: timeout, Reason: w.reason, Err: w.away}
	case !completed(w.last):
		return nil, &HaltedError{Rollout: w.last}
	}
	return w.last, w.verify(ctx)
}

// wait is the state of one Wait.
type wait struct {
	client   *Client
	revision *Revision
	source   string
	progress func(*Rollout)
	onHeld   func(*Rollout)

	last   *Rollout // completed, halted or rolled back: it decides the wait
	err    error    // ends the wait
	away   error    // why no distributor was reached since the last response
	reason string   // why the rollout waits
	held   int64    // the newest revision that is known to hold the source
	asked  int64    // the newest revision that was checked while waiting
}

// see handles a message of a replica, and returns whether to go on.
func (w *wait) see(ctx context.Context, r *Rollout, err error) bool {
	switch {
	case status.Code(err) == codes.Unavailable:
		w.away = err
		return true
	case err != nil && !passing(err):
		w.err = err
		return false
	case err != nil:
		return true
	}
	w.away = nil
	w.reason = ""
	if r.GetCandidateRevision() < w.revision.GetNumber() {
		if Ended(r) && r.GetNext() != "" {
			w.reason = r.GetNext()
			if w.onHeld != nil {
				w.onHeld(r)
			}
		}
		return true
	}
	if r.GetState() == distributorv1.Rollout_STATE_WAITING {
		w.reason = r.GetReason()
	}
	if w.progress != nil {
		w.progress(r)
	}
	if w.err = w.checkEarly(ctx, r.GetCandidateRevision()); w.err != nil || w.last != nil {
		return false
	}
	return !w.decide(r)
}

// decide keeps a rollout that decides the wait. A rollout of a later revision decides it too, because a later revision holds what this one
// brought unless somebody replaced it.
func (w *wait) decide(r *Rollout) bool {
	switch r.GetState() {
	case distributorv1.Rollout_STATE_HALTED, distributorv1.Rollout_STATE_ROLLED_BACK:
		// When the sources of others are pinned, the changes of this source arrive with the revision that pins them.
		if r.GetPinning() || len(r.GetPinnedSources()) > 0 && !slices.Contains(r.GetPinnedSources(), w.source) {
			return false
		}
	case distributorv1.Rollout_STATE_COMPLETED:
	default:
		return false
	}
	if r.GetCandidateRevision() < w.revision.GetNumber() {
		return false
	}
	w.last = r
	return true
}

func completed(r *Rollout) bool { return r.GetState() == distributorv1.Rollout_STATE_COMPLETED }

// askAll asks every replica of the distributor before the wait gives up, because the watched replica may be behind. A completed rollout
// outweighs a halted one, which a replica that is behind may still report.
func (w *wait) askAll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastAsk)
	defer cancel()
	d := w.client.distributor
	for turn := 0; turn < len(d.addresses) && !completed(w.last); turn++ {
		_ = d.apart(turn, func(one *replicas) error { // a replica that does not answer contributes nothing
			ctx, cancel := context.WithTimeout(ctx, lastAsk/time.Duration(len(d.addresses)))
			defer cancel()
			request := &distributorv1.GetRolloutRequest{Group: w.revision.GetGroup()}
			response, err := distributorv1.NewRolloutServiceClient(one).GetRollout(ctx, request)
			w.decide(response.GetRollout())
			return err
		})
	}
}

// checkEarly checks once for each later revision whether it replaced the source. When the translator does not answer, verify asks again at
// the end.
func (w *wait) checkEarly(ctx context.Context, later int64) error {
	if later <= w.asked {
		return nil
	}
	w.asked = later
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if by, err := w.overwrittenBy(ctx, later); err == nil && by != nil {
		if by.GetRestoredRevision() > 0 {
			if w.last = w.takenBack(ctx); w.last != nil {
				return nil
			}
		}
		return &OverwrittenError{Source: w.source, Revision: w.revision.GetNumber(), By: by}
	}
	return nil
}

// takenBack returns the rollout because of which the source was pinned, or nil.
func (w *wait) takenBack(ctx context.Context) *Rollout {
	page, err := w.client.Rollouts().ListRollouts(ctx, &distributorv1.ListRolloutsRequest{Group: w.revision.GetGroup(), PageSize: historyPage})
	if err != nil {
		return nil
	}
	for _, r := range page.GetRollouts() { // the newest first
		if r.GetCandidateRevision() >= w.revision.GetNumber() && slices.Contains(r.GetPinnedSources(), w.source) {
			return r
		}
	}
	return nil
}

// verify checks that the served revision holds the source. It retries for a moment when the translator does not answer.
func (w *wait) verify(ctx context.Context) error {
	served := w.last.GetCandidateRevision()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	for {
		by, err := w.overwrittenBy(ctx, served)
		switch {
		case err == nil && by == nil:
			return nil
		case err == nil:
			return &OverwrittenError{Source: w.source, Revision: w.revision.GetNumber(), By: by}
		}
		if backoff.Sleep(ctx, askPause) != nil {
			return &UnverifiedError{Source: w.source, Revision: w.revision.GetNumber(), Served: served, Err: err}
		}
	}
}

// overwrittenBy returns the first revision up to later that holds another content of the source, or nil when later holds the same content.
func (w *wait) overwrittenBy(ctx context.Context, later int64) (*Revision, error) {
	mine, group := w.revision.GetNumber(), w.revision.GetGroup()
	if later <= mine || later == w.held {
		return nil, nil
	}
	translator := w.client.Translator()
	response, err := translator.GetRevision(ctx, &translatorv1.GetRevisionRequest{Group: group, Revision: later})
	if err != nil {
		return nil, err
	}
	by, digest := response.GetRevision(), digestIn(w.revision, w.source)
	if digestIn(by, w.source) == digest {
		w.held = later
		return nil, nil
	}
	page, err := translator.ListRevisions(ctx, &translatorv1.ListRevisionsRequest{Group: group, PageSize: historyPage})
	if err != nil {
		return by, nil //nolint:nilerr // the source was replaced; which revision did it first is a detail
	}
	for _, r := range page.GetRevisions() { // the newest first
		if r.GetNumber() > mine && r.GetNumber() <= later && digestIn(r, w.source) != digest {
			by = r
		}
	}
	return by, nil
}

// digestIn returns the digest of a source in a revision; empty when the revision does not have it.
func digestIn(r *Revision, source string) string {
	for _, s := range r.GetSources() {
		if s.GetName() == source {
			return s.GetDigest()
		}
	}
	return ""
}
