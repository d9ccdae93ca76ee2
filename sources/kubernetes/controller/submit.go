package controller

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kit/wire"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/sources/kubernetes/content"
	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/endpoints"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// work plans and submits until the plan is what the source was given last, or somebody else has to act first.
func (e *engine) work(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*callTimeout)
	defer cancel()
	e.again = time.Time{}
	for range maxRounds {
		began := time.Now()
		base, err := e.good(ctx)
		if err != nil {
			e.fail("the last good configuration cannot be read: "+why(err), err)
			return
		}
		p := e.sources.planner(e.share)
		p.base, p.compiler, p.whole = base, &e.compiler, &e.whole
		made, err := p.plan(e.sources.cluster, e.now())
		e.metrics.translated(began)
		if err != nil {
			e.waitFor(err.Error(), false)
			e.notices = []delivery.Notice{{Reason: delivery.SubmissionRefused, Message: err.Error()}}
			e.log.Error("the objects cannot be made a configuration", telemetry.Err, err)
			return
		}
		e.plan = made
		if err := e.keepReferred(); err != nil {
			e.fail("what other sources refer to cannot be kept: "+why(err), err)
			return
		}
		if e.recall() {
			continue
		}
		if e.submit(ctx) {
			return
		}
	}
	e.fail("the translator refuses one configuration after the other", errors.New("too many rounds"))
}

// submit submits the plan, and says whether there is nothing more to do now. False asks for another plan: objects were left out.
func (e *engine) submit(ctx context.Context) bool {
	e.notices = nil
	allow, ok := e.guard(ctx)
	if !ok {
		return true
	}
	digest := e.plan.content.Digest()
	if e.submitted == nil && len(e.plan.content.Entities()) == 0 && !e.alone() {
		e.waitFor("", false)
		return true // nothing was ever submitted, there is nothing to submit, and other sources have gateways serve something
	}
	if e.submitted != nil && digest == digestOf(e.committed) {
		e.submitted = e.plan.content // it is there already; to submit it would end a pin that remembers what was refused
	}
	if e.submitted != nil && digest == e.submitted.Digest() {
		e.changedAt, e.heldBy = time.Time{}, 0
		e.waitFor(e.whyNotServed(), e.committed != nil && digest != e.committed.Digest())
		e.retry.Reset()
		return true
	}
	if wait := e.paced(); wait {
		return true
	}
	return e.call(ctx, allow, true)
}

// alone says whether no other source of the cluster has anything. Then an empty content is submitted too: gateways that were never given a
// revision serve nothing that anybody has proven, and a Gateway without routes is to become ready.
func (e *engine) alone() bool { return e.share == common && len(e.sources.engines) == 1 }

// paced says whether the plan has to wait, since it changes endpoints alone: each submission costs each gateway a load. The first targets
// of an upstream do not wait: without them its routes are answered with 503.
func (e *engine) paced() bool {
	now := e.now()
	e.heldBy = 0
	if e.changedAt.IsZero() {
		e.changedAt = now
	}
	if e.submitted == nil || !e.plan.content.SameForms(e.submitted) || e.plan.content.Fills(e.submitted) {
		return false
	}
	pace := endpoints.Pace{Window: e.EndpointWindow, LoadInterval: loadInterval(e.rollout)}
	due := pace.Due(endpoints.Targets, e.changedAt, e.sources.pacedFrom)
	if !due.After(now) {
		return false
	}
	e.again = due
	if pace.LoadInterval > pace.Window {
		e.heldBy = pace.LoadInterval
	}
	return true
}

// loadInterval is the load interval of the group, as far as it is known: a distributor of an older version says that of the policy alone.
func loadInterval(r *client.Rollout) time.Duration {
	if now := r.GetLoadInterval(); now != nil {
		return now.AsDuration()
	}
	return r.GetPolicy().GetLoadInterval().AsDuration()
}

// whyNotServed says why what was submitted is not what the source holds: somebody put it back.
func (e *engine) whyNotServed() string {
	if digestOf(e.committed) == digestOf(e.submitted) {
		return ""
	}
	if pin := e.sources.pinOf(e.remote.source); pin != nil {
		return "the source is pinned: " + pin.GetReason()
	}
	return "the source was put back to an earlier content; the next change of an object is submitted again"
}

// call submits the plan. Once more says whether a refusal for shrinking may be asked again with the content that is kept.
func (e *engine) call(ctx context.Context, allow bool, onceMore bool) bool {
	ctxCall, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	message := e.message()
	if e.share != common && len(e.plan.content.Entities()) == 0 {
		return e.takeAway(ctxCall, message)
	}
	request := &client.SubmitRequest{Group: e.remote.group, Source: e.remote.source, Message: message, AllowShrink: allow}
	hash := sha256.New()
	for _, d := range e.plan.submission() {
		request.Documents = append(request.Documents, &client.Document{Name: d.Name, Content: d.Content})
		fmt.Fprintf(hash, "%s %d ", d.Name, len(d.Content))
		hash.Write(d.Content)
	}
	fmt.Fprintf(hash, "%s %v %d", message, allow, e.head)
	request.RequestId = "kubernetes-" + hex.EncodeToString(hash.Sum(nil)[:16])
	answer, err := e.remote.Submit(ctxCall, request)
	if err == nil {
		return e.accepted(answer)
	}
	return e.refused(ctx, err, onceMore)
}

// refused looks at why the plan was not taken.
func (e *engine) refused(ctx context.Context, err error, onceMore bool) bool {
	var refusal *client.Error
	if !errors.As(err, &refusal) {
		e.fail("the translator does not answer: "+why(err), err)
		return true
	}
	e.metrics.submitted(outcomeOf(refusal))
	switch refusal.Reason {
	case "INVALID_CONFIG":
		return e.invalid(refusal)
	case "CONFIG_SHRINK":
		if onceMore {
			// The guard of the controller let it pass, which does not count endpoints: a service that is scaled down at night is no loss.
			e.note(delivery.ShrinkAllowed, "endpoints went: "+refusal.Message, nil)
			e.log.Info("the translator's shrink guard is passed: more than half of the entities went, most of them endpoints",
				telemetry.Group, e.remote.group)
			return e.call(ctx, true, false)
		}
		e.fail("the translator refuses it: "+refusal.Message, err)
	case "SOURCE_PINNED":
		e.waitFor(refusal.Message, true)
		e.note(delivery.SourcePinned, refusal.Message, nil)
		e.later()
	default:
		e.fail("the translator refuses it: "+why(err), err)
	}
	return true
}

// invalid leaves out the objects that the translator's problems lead to.
func (e *engine) invalid(refusal *client.Error) bool {
	var problems []fleet.Problem
	for _, p := range refusal.Problems {
		if p.GetSource() == "" || p.GetSource() == e.remote.source {
			problems = append(problems, wire.Problem(p))
		}
	}
	p := planner{broken: e.broken, share: e.share}
	if p.blame(e.plan.set, e.plan.documents, problems, 0, e.now().Add(retryRefused)) {
		e.log.Warn("the translator refused objects, which are left out", telemetry.Group, e.remote.group, "problem", sentence(problems[0]),
			"problems", refusal.ProblemCount)
		return false
	}
	e.fail("the translator refuses it: "+told(refusal), refusal)
	return true
}

// accepted notes an answer.
func (e *engine) accepted(answer *client.SubmitResponse) bool {
	e.retry.Reset()
	if pin := answer.GetHeldBack(); pin != nil {
		return e.heldBack(pin)
	}
	e.sources.revisions.see(answer.GetRevision())
	e.history.add(e.plan.content, e.now())
	e.called()
	before := e.head
	e.submitted = e.plan.content
	if answer.GetRevision().GetNumber() > 0 {
		e.commit(answer.GetRevision(), e.plan.content, e.sums())
		if len(e.plan.kept.entities) == 0 {
			e.drains.remember(e.head, e.plan.result, e.sources.meanings.observe(e.plan.set))
		}
	}
	e.waitFor("", false)
	if answer.GetUnchanged() {
		e.metrics.submitted("unchanged")
		return true
	}
	e.metrics.submitted("committed")
	e.log.Info("a revision was committed", telemetry.Group, e.remote.group, telemetry.Revision, e.head, "before", before,
		"added", answer.GetChanges().GetAdded(), "changed", answer.GetChanges().GetChanged(), "removed", answer.GetChanges().GetRemoved(),
		"left_out", len(e.plan.leftOut), "kept", len(e.plan.kept.entities))
	return true
}

// called notes that something was submitted, which costs each gateway a load.
func (e *engine) called() { e.sources.lastCall, e.changedAt, e.heldBy = e.now(), time.Time{}, 0 }

// takeAway takes away the source of a namespace of which nothing is left, which the guard let pass.
func (e *engine) takeAway(ctx context.Context, message string) bool {
	answer, err := e.remote.Translator().DeleteSource(ctx, &translatorv1.DeleteSourceRequest{Group: e.remote.group, Source: e.remote.source,
		Message: message, AllowShrink: true})
	if err != nil && !missing(err) {
		return e.refused(ctx, err, false)
	}
	e.retry.Reset()
	e.sources.revisions.see(answer.GetRevision())
	e.metrics.submitted("committed")
	e.called()
	e.history = history{}
	if number := answer.GetRevision().GetNumber(); number > 0 {
		e.commit(answer.GetRevision(), nil, delivery.Remembered{})
	}
	e.submitted, e.committed = nil, nil
	e.waitFor("", false)
	e.log.Info("the source of a namespace was taken away", telemetry.Group, e.remote.group, telemetry.Revision, e.head)
	return true
}

// keepReferred keeps in the common source what sources of namespaces refer to and nothing brings any more: they are submitted later, and
// one that is pinned goes on to need it. Of a consumer nothing else is kept, no credential above all.
func (e *engine) keepReferred() error {
	e.referred = 0
	if !e.sources.byNamespace() || e.share != common {
		return nil
	}
	lost := map[string]content.Entity{}
	for _, one := range e.committed.Entities() {
		if _, there := e.plan.content.Get(one.Key); !there && referable[one.Kind] {
			lost[one.ID] = one
		}
	}
	if len(lost) == 0 {
		return nil
	}
	wanted := map[content.Key]bool{}
	for share, other := range e.sources.engines {
		if share == common {
			continue
		}
		for _, one := range other.committed.Entities() {
			for _, id := range one.Read().Refs {
				if need, ok := lost[id]; ok {
					wanted[need.Key] = true
				}
			}
		}
	}
	e.referred = len(wanted)
	return e.plan.keep(func(drop func(content.Key) bool) []content.Entity {
		var list []content.Entity
		for _, one := range e.committed.Entities() {
			if wanted[one.Key] && !drop(one.Key) {
				list = append(list, one)
			}
		}
		return list
	})
}

// referable are the kinds of the common source that entities of namespaces refer to.
var referable = map[string]bool{"consumers": true, "consumer_groups": true, "certificates": true, "ca_certificates": true}

// sums are those of the plan, with what is kept.
func (e *engine) sums() delivery.Remembered {
	if len(e.plan.kept.entities) > 0 {
		return delivery.Remember(e.plan.content)
	}
	return e.plan.forms.Now
}

// heldBack takes the reason of a pin of a rollout: this very content was taken back.
func (e *engine) heldBack(pin *translatorv1.Pin) bool {
	e.metrics.submitted("held_back")
	e.submitted = e.plan.content
	if e.blamePin(pin) {
		return false
	}
	e.waitFor("the source is pinned: "+pin.GetReason(), true)
	e.note(delivery.SourcePinned, pin.GetReason(), nil)
	return true
}

func (e *engine) note(reason delivery.NoticeReason, message string, objects []object.Ref) {
	e.notices = append(e.notices, delivery.Notice{Reason: reason, Message: message, Objects: objects})
}

func (e *engine) waitFor(reason string, held bool) { e.waits, e.held = reason, held }

// fail notes why the plan is not submitted, and tries again later.
func (e *engine) fail(reason string, err error) {
	e.waitFor(reason, false)
	e.note(delivery.SubmissionRefused, reason, nil)
	e.log.Warn("the configuration is not submitted", telemetry.Group, e.remote.group, telemetry.Err, err)
	e.later()
}

func (e *engine) later() { e.again = e.now().Add(e.retry.Next()) }

// message says what changed, for the history, and what is left out, for whoever goes on.
func (e *engine) message() string {
	text := "kubernetes: the first configuration"
	if e.submitted != nil {
		before := delivery.Remembered{}
		if digestOf(e.committed) == digestOf(e.submitted) {
			before = e.contents[e.head]
		}
		text = "kubernetes: " + changes(before, e.plan.forms)
	}
	text += e.broken.trailers(e.share)
	if len(text) > maxMessage {
		text = text[:strings.LastIndexByte(text[:maxMessage], '\n')]
	}
	return text
}

const namedChanges = 5

// changes names the objects whose forms differ.
func changes(before delivery.Remembered, now delivery.Forms) string {
	changed := now.Changed(before)
	there := map[object.Ref]bool{}
	for ref := range now.Keys {
		ref.Group = ""
		there[ref] = true
	}
	var gone []object.Ref
	for ref := range before.Owned {
		if !there[ref] {
			gone = append(gone, ref)
		}
	}
	slices.SortFunc(changed, object.Compare)
	slices.SortFunc(gone, object.Compare)
	var words []string
	for _, list := range []struct {
		verb string
		refs []object.Ref
	}{{"changed ", changed}, {"removed ", gone}} {
		if len(list.refs) == 0 {
			continue
		}
		var names []string
		for _, ref := range list.refs[:min(len(list.refs), namedChanges)] {
			names = append(names, ref.String())
		}
		if more := len(list.refs) - namedChanges; more > 0 {
			names = append(names, fmt.Sprintf("%d more", more))
		}
		words = append(words, list.verb+strings.Join(names, ", "))
	}
	if len(words) == 0 {
		return "endpoints changed"
	}
	return strings.Join(words, "; ")
}

func digestOf(c *content.Content) string { return c.Digest() }

// why is what an error says to people, in a length that fits everywhere.
func why(err error) string {
	text := err.Error()
	if len(text) > 512 {
		text = strings.ToValidUTF8(text[:512], "") + " …"
	}
	return text
}

// told is a refusal with its first problem.
func told(e *client.Error) string {
	if len(e.Problems) == 0 {
		return why(e)
	}
	return sentence(wire.Problem(e.Problems[0]))
}

func outcomeOf(e *client.Error) string {
	switch {
	case e.Reason == "CONFIG_SHRINK":
		return "shrink"
	case e.Code == codes.InvalidArgument, e.Code == codes.FailedPrecondition:
		return "refused"
	}
	return "failed"
}
