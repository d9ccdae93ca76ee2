package desired

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kong/compile"
)

const (
	// maxRaces is how many times a commit that lost its race is tried on the new head. Each loss is a commit of another client.
	maxRaces     = 50
	maxRacePause = 20 * time.Millisecond
)

// Submit sets the content of a source. It returns after the commit is durable. A failure changes nothing.
func (d *Service) Submit(ctx context.Context, s Submission) (Outcome, error) {
	began := time.Now()
	out, err := d.submit(ctx, s)
	d.Metrics.submitted(out, err, began)
	return out, err
}

func (d *Service) submit(ctx context.Context, s Submission) (Outcome, error) {
	print := fingerprint(s)
	answered := func() (Outcome, bool, error) { return d.answeredSubmission(ctx, s, print) }
	if out, done, err := d.begin(ctx, s.Group, s.Source, answered); done || err != nil {
		return out, err
	}
	release, err := d.admit(ctx, s.Group, s.Documents)
	if err != nil {
		return Outcome{}, err
	}
	defer release()
	fragment, problems := d.parse(s.Documents)
	if len(problems) > 0 {
		return Outcome{}, d.refuse(ctx, s.Group, s.Source, s.Documents, fragment, problems)
	}
	stored := fragment.Marshal()
	digest := fleet.DigestOf(stored)
	d.fragments.put(digest, fragment)

	return d.race(ctx, answered, func(ctx context.Context) (Outcome, bool, error) {
		state, err := d.Ledger.Read(ctx, s.Group)
		if err != nil {
			return Outcome{}, false, err
		}
		if err := expected(state.Head, s.Expected); err != nil {
			return Outcome{}, false, err
		}
		p := proposal{fragment: fragment, digest: digest, stored: stored, pinned: pinnedSource(state, s.Source)}
		if p.pinned != nil && p.pinned.Pin.ByHand() && !s.ValidateOnly {
			return Outcome{}, false, pinnedByHand(p.pinned)
		}
		if p.pinned != nil && p.pinned.Pin.byRollout() && p.pinned.Pin.holdsBack(digest) {
			return d.holdBack(ctx, s, state, p, print)
		}
		return d.take(ctx, s, state, p, print)
	})
}

// proposal is new content for a source.
type proposal struct {
	fragment *compile.Fragment
	digest   fleet.Digest
	stored   []byte  // its stored form; nil when it is stored already
	pinned   *Source // the present source, if it has a pin
}

// holdBack answers a submission of content that a pin holds back: nothing changes.
func (d *Service) holdBack(ctx context.Context, s Submission, state State, p proposal, print string) (Outcome, bool, error) {
	out := Outcome{Revision: state.Head, Unchanged: true, HeldBack: p.pinned.Pin, Warnings: []compile.Problem{heldBackWarning(p.pinned)}}
	if s.ValidateOnly {
		return out, true, nil
	}
	if p.pinned.Pin.holdsBack(p.digest) {
		// The pin refers to it, so it must be stored.
		if err := d.store(ctx, nil, p.digest, p.stored, false); err != nil {
			return Outcome{}, false, err
		}
	}
	if s.RequestID == "" {
		return out, true, nil
	}
	commit := unchangedCommit(s.Group, state, s.RequestID, print)
	commit.Request.HeldBack = true
	won, err := d.commit(ctx, state, commit)
	return out, won, err
}

// take commits a proposal, if it is valid, and ends the source's pin.
func (d *Service) take(ctx context.Context, s Submission, state State, p proposal, print string) (Outcome, bool, error) {
	fragments, lost, why, err := d.fragmentsLeft(ctx, state.Sources, s.Source)
	if err == nil && len(lost) > 0 && !s.AllowShrink {
		err = lostSources(s.Group, lost, why)
	}
	if err != nil {
		return Outcome{}, false, err
	}
	fragments[s.Source] = p.fragment
	m, err := d.merge(fragments, s.Source)
	if err != nil {
		return Outcome{}, false, d.refuseMerge(ctx, s.Group, s.Source, s.Documents, fragments, err)
	}
	for _, name := range lost {
		m.warnings = append(m.warnings, compile.Problem{Source: name, Message: "the stored content of this source is gone and the group is " +
			"without its entities; submit it again"})
	}
	if held, err := d.held(ctx, state, p, m, s.ValidateOnly); err != nil {
		return Outcome{}, false, err
	} else if held {
		return d.holdBack(ctx, s, state, p, print)
	}
	digests := digestsOf(state.Sources)
	digests[s.Source] = p.digest
	if err := d.accept(ctx, s.Group, state.Head, m, s.Source, s.Documents, digests); err != nil {
		return Outcome{}, false, err
	}
	source := Source{
		Group: s.Group, Name: s.Source, Fragment: p.digest, Entities: int64(p.fragment.Len()), Documents: p.fragment.Documents,
		Author: s.Author, UpdateTime: d.Now(),
	}
	next, changes, err := d.propose(ctx, s.Group, state, m, withSource(state.Sources, source), &source, s.AllowShrink, s.ValidateOnly)
	if err != nil {
		return Outcome{}, false, err
	}
	if next, err = d.handleUnmanaged(ctx, s, state.Head, next, m); err != nil {
		return Outcome{}, false, err
	}
	out := Outcome{Revision: next, Changes: changes, Unchanged: !advances(state.Head, next), Warnings: m.warnings,
		Entities: counts(m.result.Counts), Size: m.snapshot.Size()}
	if !out.Unchanged {
		out.Streak = next.Streak
	}
	if s.ValidateOnly {
		out.Revision = state.Head
		return out, true, nil
	}
	commit := Commit{Group: s.Group, HeadVersion: state.HeadVersion, Head: next, RequestID: s.RequestID,
		Request: Request{Fingerprint: print, Unchanged: out.Unchanged, Changes: changes}}
	if !out.Unchanged {
		commit.NewRevision = true
		next.Source, next.Author, next.Message, next.RequestID = s.Source, s.Author, s.Message, s.RequestID
		next.Trace = telemetry.TraceParentOf(ctx)
	}
	if next != nil {
		commit.Request.Revision, source.Revision = next.Number, next.Number
	}
	out.Source = &source
	if old := sourceNamed(state.Sources, s.Source); old == nil || old.Fragment != p.digest || old.Pin != nil || !out.Unchanged {
		commit.Put = []Source{source}
	} else if s.RequestID == "" {
		// Nothing changes, but restore missing content.
		return out, true, d.ensure(ctx, m, p.digest, p.stored, next != nil)
	}
	if err := d.store(ctx, m, p.digest, p.stored, next != nil); err != nil {
		return Outcome{}, false, err
	}
	won, err := d.commit(ctx, state, commit)
	return out, won, err
}

// held reports whether the pin of the source holds this merge back. If a pin ends instead, it adds a warning.
func (d *Service) held(ctx context.Context, state State, p proposal, m *merged, dry bool) (bool, error) {
	if p.pinned == nil {
		return false, nil
	}
	pin := p.pinned.Pin
	if pin.ByHand() {
		w, _ := warned(pinnedByHand(p.pinned)) // only with validate_only: other submissions are refused earlier
		m.warnings = append(m.warnings, w)
		return false, nil
	}
	if pin.Refused > 0 && pin.RefusedFragment != "" {
		same, err := d.same(ctx, state.Sources, p.pinned.Name, pin.RefusedFragment, m.snapshot.Digest())
		if same || err != nil {
			return same, err
		}
	}
	ends := "this ends the pin"
	if dry {
		ends = "a submission of this ends the pin"
	}
	m.warnings = append(m.warnings, compile.Problem{Message: fmt.Sprintf("%s that rollout %s put on source %q: %s", ends, pin.Rollout,
		p.pinned.Name, pin.Reason)})
	return false, nil
}

// commit writes a change. The new head lists the group's pins. It loses when content was collected since the state was read: content that
// was found there may be gone.
func (d *Service) commit(ctx context.Context, state State, c Commit) (bool, error) {
	defer d.Metrics.stage("commit", time.Now())
	c.Collected = state.Collected
	if err := d.mustBeStored(ctx, state, c); err != nil {
		return false, err
	}
	if c.Head != nil {
		head := *c.Head
		head.Pins = pinned(c.after(state.Sources))
		c.Head = &head
	}
	return d.Ledger.Commit(ctx, c)
}

// mustBeStored refuses content that the group does not name yet and that is not stored any more. A restoration takes it from an earlier
// revision, which may be collected meanwhile, and from memory.
func (d *Service) mustBeStored(ctx context.Context, state State, c Commit) error {
	named := map[fleet.Digest]bool{}
	for _, s := range state.Sources {
		named[s.Fragment] = true
	}
	var added []fleet.Digest
	for _, s := range c.Put {
		if !named[s.Fragment] {
			named[s.Fragment] = true
			added = append(added, s.Fragment)
		}
	}
	if len(added) == 0 {
		return nil
	}
	stored, err := d.Ledger.Stored(ctx, added)
	if err == nil && !stored {
		err = fault.New(fault.WrongState, "CONTENT_MISSING", "the content of an earlier revision of group %q is not kept any more; submit it "+
			"again", c.Group)
	}
	return err
}

// store writes the missing content of a commit. If the process dies before the commit, unused content remains and nothing else.
func (d *Service) store(ctx context.Context, m *merged, digest fleet.Digest, fragment []byte, snapshot bool) error {
	defer d.Metrics.stage("store", time.Now())
	return d.ensure(ctx, m, digest, fragment, snapshot)
}

// ensure writes a fragment and a snapshot if they are missing. Content of earlier commits may be gone too.
func (d *Service) ensure(ctx context.Context, m *merged, digest fleet.Digest, fragment []byte, snapshot bool) error {
	group, ctx := errgroup.WithContext(ctx)
	if fragment != nil {
		group.Go(func() error {
			if err := d.Ledger.PutFragment(ctx, digest, fragment); err != nil {
				return fmt.Errorf("store source: %w", err)
			}
			return nil
		})
	}
	if snapshot {
		group.Go(func() error {
			if err := d.Content.Put(ctx, m.snapshot); err != nil {
				return fmt.Errorf("store snapshot: %w", err)
			}
			return nil
		})
	}
	return group.Wait()
}

// next returns the head after a merge: a new revision if the snapshot differs, else the present head. source is the one that is submitted,
// if any. The first submission makes a revision also of nothing: gateways without a revision load nothing, and nobody knows what they
// serve. For whatever else comes before it, there is nil.
func (d *Service) next(ctx context.Context, group fleet.GroupID, state State, m *merged, sources []Source, source *Source,
	allowShrink bool) (*Revision, Summary, error) {
	changes, streak, err := d.compare(ctx, state.Head, m.snapshot)
	if lostContent(err) && allowShrink {
		changes, streak, err = d.compare(ctx, nil, m.snapshot) // there is nothing to compare with, and the caller allows it
		streak.Since = state.Head.Number + 1
	}
	if err != nil {
		return nil, changes, err
	}
	if state.Head == nil && source == nil && len(m.result.Entities) == 0 {
		return nil, changes, nil
	}
	head := &Revision{}
	if state.Head != nil {
		*head = *state.Head
		if head.Digest == m.snapshot.Digest() {
			return head, changes, nil
		}
		if !allowShrink {
			if err := d.guard(ctx, state, m, changes.Removed, source); err != nil {
				return nil, changes, err
			}
		}
	}
	return &Revision{
		Group: group, Number: head.Number + 1, Digest: m.snapshot.Digest(), Size: m.snapshot.Size(),
		Entities: counts(m.result.Counts), Sources: refs(sources), CreateTime: d.Now(), Changes: changes, Streak: streak, Replaces: head.Replaces,
	}, changes, nil
}

// propose is next, but when nothing is written a refusal that a flag would allow is only a warning.
func (d *Service) propose(ctx context.Context, group fleet.GroupID, state State, m *merged, sources []Source, source *Source,
	allowShrink, validateOnly bool) (*Revision, Summary, error) {
	next, changes, err := d.next(ctx, group, state, m, sources, source, allowShrink)
	if w, ok := warned(err); ok && validateOnly {
		m.warnings = append(m.warnings, w)
		return d.next(ctx, group, state, m, sources, source, true)
	}
	return next, changes, err
}

// advances reports whether a head is a new revision.
func advances(head, next *Revision) bool {
	return next != nil && (head == nil || next.Number != head.Number)
}

// accept refuses what the gateways of a group would refuse: for their schemas, or for its size.
func (d *Service) accept(ctx context.Context, group fleet.GroupID, head *Revision, m *merged, source fleet.SourceID,
	documents []compile.Document, digests map[fleet.SourceID]fleet.Digest) error {
	if err := d.checkSchemas(ctx, group, m, source, documents, digests); err != nil {
		return err
	}
	return d.fits(ctx, group, head, m, documents)
}

// race repeats an attempt on the new head while other clients commit first. If the other client sent the same request, its answer is
// returned.
func (d *Service) race(ctx context.Context, answered func() (Outcome, bool, error),
	attempt func(context.Context) (Outcome, bool, error)) (Outcome, error) {
	for range maxRaces {
		out, won, err := attempt(ctx)
		if err != nil || won {
			return out, err
		}
		d.Metrics.lostRace()
		if err := backoff.Sleep(ctx, backoff.Jitter(maxRacePause, 1)); err != nil {
			return Outcome{}, err
		}
		if out, done, err := answered(); done || err != nil {
			return out, err
		}
	}
	busy := fault.New(fault.Busy, "TOO_MANY_SUBMISSIONS", "others submit to this group faster than this submission can be merged; try again")
	busy.RetryAfter = time.Second
	return Outcome{}, busy
}

// begin validates the names of a call, and returns its answer if it was given before.
func (d *Service) begin(ctx context.Context, group fleet.GroupID, source fleet.SourceID, answered func() (Outcome, bool, error)) (
	Outcome, bool, error) {
	if err := validNames(group, source); err != nil {
		return Outcome{}, false, err
	}
	if err := d.mustExist(ctx, group); err != nil {
		return Outcome{}, false, err
	}
	return answered()
}

// answered returns the first answer to a request_id.
func (d *Service) answered(ctx context.Context, group fleet.GroupID, id, print string) (Outcome, bool, error) {
	if id == "" {
		return Outcome{}, false, nil
	}
	request, found, err := d.Ledger.Request(ctx, group, id)
	if err != nil || !found {
		return Outcome{}, false, err
	}
	if request.Fingerprint != print {
		return Outcome{}, false, fault.New(fault.Conflict, "REQUEST_ID_REUSED", "request_id %q was used for another submission", id)
	}
	out := Outcome{Unchanged: request.Unchanged, Changes: request.Changes, Restored: request.Restored, Skipped: request.Skipped}
	if request.HeldBack {
		out.HeldBack = &Pin{}
	}
	if request.Revision > 0 {
		if out.Revision, err = d.Ledger.Revision(ctx, group, request.Revision); err != nil {
			return Outcome{}, false, err
		}
	}
	return out, true, nil
}

// answeredSubmission is answered. If a pin held the submission back, it returns the present pin.
func (d *Service) answeredSubmission(ctx context.Context, s Submission, print string) (Outcome, bool, error) {
	out, done, err := d.answered(ctx, s.Group, s.RequestID, print)
	if err != nil || out.HeldBack == nil {
		return out, done, err
	}
	source, err := d.Source(ctx, s.Group, s.Source)
	if err != nil {
		return Outcome{}, false, err
	}
	if source != nil && source.Pin != nil {
		out.HeldBack, out.Warnings = source.Pin, []compile.Problem{heldBackWarning(source)}
	}
	return out, done, nil
}

// fingerprintOf identifies a request that submits nothing.
func fingerprintOf(verb string, args ...any) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %q\n", verb, args)
	return hex.EncodeToString(h.Sum(nil))
}

// fingerprint identifies a submission. The message is left out: a retry may have another.
func fingerprint(s Submission) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %d %t %t %d\n", s.Group, s.Source, s.Expected, s.ValidateOnly, s.AllowShrink, len(s.Documents))
	if s.ReplaceUnmanaged || s.LeaveUnmanaged {
		fmt.Fprintf(h, "%t %t\n", s.ReplaceUnmanaged, s.LeaveUnmanaged)
	}
	for _, doc := range s.Documents {
		fmt.Fprintf(h, "%q %d\n", doc.Name, len(doc.Content))
		h.Write(doc.Content)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func expected(head *Revision, want fleet.Revision) error {
	var have fleet.Revision
	if head != nil {
		have = head.Number
	}
	if want == 0 || want == have {
		return nil
	}
	return fault.New(fault.WrongState, "STALE_REVISION", "the group is at revision %d, not %d", have, want).With("current_revision",
		fmt.Sprint(have))
}

func validNames(group fleet.GroupID, source fleet.SourceID) error {
	var violations []fault.Violation
	if err := fleet.ValidName("group", string(group)); err != nil {
		violations = append(violations, fault.Violation{Field: "group", Description: err.Error()})
	}
	if err := fleet.ValidName("source", string(source)); err != nil {
		violations = append(violations, fault.Violation{Field: "source", Description: err.Error()})
	}
	if len(violations) > 0 {
		return fault.InvalidFields(violations...)
	}
	return nil
}

func sourceNamed(sources []Source, name fleet.SourceID) *Source {
	for i := range sources {
		if sources[i].Name == name {
			return &sources[i]
		}
	}
	return nil
}

// withSource returns the sources, sorted, with one replaced or added.
func withSource(sources []Source, s Source) []Source {
	all := slices.DeleteFunc(slices.Clone(sources), func(o Source) bool { return o.Name == s.Name })
	all = append(all, s)
	slices.SortFunc(all, func(a, b Source) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return all
}

// pinnedSource returns a source that has a pin, or nil.
func pinnedSource(state State, name fleet.SourceID) *Source {
	if s := sourceNamed(state.Sources, name); s != nil && s.Pin != nil {
		return s
	}
	return nil
}

func refs(sources []Source) []SourceRef {
	all := make([]SourceRef, len(sources))
	for i, s := range sources {
		all[i] = SourceRef{Name: s.Name, Fragment: s.Fragment, Entities: s.Entities}
	}
	return all
}

func counts(by map[string]int) map[string]int64 {
	all := make(map[string]int64, len(by))
	for kind, n := range by {
		all[kind] = int64(n)
	}
	return all
}
