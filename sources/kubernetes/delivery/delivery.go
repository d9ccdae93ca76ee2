// Package delivery says how far the present form of each Kubernetes object has come: whether a revision holds it, and on how many gateways
// that revision is proven. It is pure: commits and rollouts go in, a View comes out.
package delivery

import "github.com/silverback-gateway/silverback/sources/kubernetes/object"

// Phase is how far an object has come.
type Phase string

// The phases.
const (
	// Untranslated objects are not in the configuration: they mean nothing to a gateway, or problems of the translation left them out.
	Untranslated Phase = "Untranslated"
	// Pending objects are in no revision yet.
	Pending Phase = "Pending"
	// Rolling objects are in a revision that some gateways are still to serve.
	Rolling Phase = "Rolling"
	// Programmed objects are proven on every online gateway, of which there is at least one.
	Programmed Phase = "Programmed"
	// RolledBack objects came with a revision that a gate or an operator took back.
	RolledBack Phase = "RolledBack"
	// Refused objects were refused by the translator or by a gateway, or depend on one that was.
	Refused Phase = "Refused"
	// Held objects wait for a person or a time: the shrink guard, a freeze, a pin, a pause, a change window.
	Held Phase = "Held"
)

// State is how far the present form of one object has come. The form of an object is all that it contributes to the configuration, but for
// the targets of upstreams: a change that changes none of it leaves the State as it is.
type State struct {
	Phase Phase
	// Revision holds the present form; 0 before one does.
	Revision int64
	// Serving of the Online gateways are proven to serve Revision. Both are 0 while nothing is known.
	Serving, Online int
	// Reason is for people: the words of a gate, a refusal, what it waits for. It holds no secrets. Empty for Programmed.
	Reason string
	// LastGood says that an earlier form of the object is served meanwhile.
	LastGood bool
}

// Notice is news about the source as a whole, or about a part of it that is no longer there.
type Notice struct {
	// Reason is stable, and fit for the reason of an Event.
	Reason NoticeReason
	// Message is for people, and holds no secrets.
	Message string
	// Objects are where an Event about it belongs, the most telling first: a Namespace, a class, a route. Some may not exist any more.
	Objects []object.Ref
}

// NoticeReason is what a Notice is about.
type NoticeReason string

// The reasons.
const (
	// ShrinkHeld says that the shrink guard stopped a submission: what is served stays.
	ShrinkHeld NoticeReason = "ShrinkHeld"
	// ShrinkAllowed says that a submission shrank the configuration since an annotation or a flag allowed it.
	ShrinkAllowed NoticeReason = "ShrinkAllowed"
	// SubmissionRefused says that the translator refuses a submission for another reason, or cannot be reached.
	SubmissionRefused NoticeReason = "SubmissionRefused"
	// SourcePinned says that an operator pinned the source.
	SourcePinned NoticeReason = "SourcePinned"
)

// View is what is known of every object of a set. It is immutable.
type View struct {
	// Objects has a State for each object of the set that the translation reads.
	Objects map[object.Ref]State
	// Source is how far the source has come as a whole, whatever it holds: it is Programmed once gateways are proven to serve any content of
	// it, be that empty. What means nothing to a gateway by itself is served by then.
	Source State
	// Problems are those of the translation of the set, with those of objects that were left out since they, or what they depend on, were
	// refused.
	Problems []object.Problem
	// Notices are in force now; one that is over is gone.
	Notices []Notice
}
