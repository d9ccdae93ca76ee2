// Package desired keeps what the groups of a fleet should run: it merges sources, decides what a submission changes,
// and commits revisions. It knows no etcd keys and no proto messages.
package desired

import (
	"context"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/kong/target"
	serving "github.com/silverback-gateway/silverback/services/translator/internal/groups"
	"github.com/silverback-gateway/silverback/services/translator/internal/schemas"
)

// DefaultSource is the source of a submission that names none.
const DefaultSource fleet.SourceID = "default"

// Revision is one version of a group. It is immutable once committed.
type Revision struct {
	Group      fleet.GroupID
	Number     fleet.Revision
	Digest     fleet.Digest
	Size       int64            // bytes
	Entities   map[string]int64 // by kind, plural
	Sources    []SourceRef
	Source     fleet.SourceID // whose submission made it
	Author     string
	Message    string
	CreateTime time.Time
	Changes    Summary
	Streak     target.Streak // the revisions before it that differ from it by targets alone; zero in those of older versions
	RequestID  string
	Trace      telemetry.TraceParent // of the submission
	// Replaces names the unmanaged configurations that this revision may replace, the newest last.
	Replaces []string
	// Restored is the earlier revision whose content was restored; 0 means none.
	Restored fleet.Revision
	// Pins are the pinned sources when the record was written. In a head they are the present ones.
	Pins []PinnedSource
}

// EntityCount is how many entities the revision has.
func (r *Revision) EntityCount() (all int64) {
	for _, n := range r.Entities {
		all += n
	}
	return all
}

// SourceRef is a source as part of a revision.
type SourceRef struct {
	Name     fleet.SourceID
	Fragment fleet.Digest // of its stored form
	Entities int64
}

// Source is a named part of a group's configuration, in its present state.
type Source struct {
	Group      fleet.GroupID
	Name       fleet.SourceID
	Fragment   fleet.Digest
	Entities   int64
	Documents  []string
	Revision   fleet.Revision // by which it got this content
	Author     string
	UpdateTime time.Time
	Pin        *Pin // nil: not pinned
}

// Summary is how many entities a change touches.
type Summary struct {
	Added, Changed, Removed int64
}

// None reports that nothing changes.
func (s Summary) None() bool { return s == Summary{} }

// State is a group at one moment, read in one transaction.
type State struct {
	Head        *Revision // nil before the first submission
	Sources     []Source  // by name
	HeadVersion int64     // must be unchanged at a commit; 0 means that there is no head
	Collected   int64     // must be unchanged at a commit: no content was deleted since
}

// Request is the stored answer to a request_id.
type Request struct {
	Fingerprint string // of the submission
	Revision    fleet.Revision
	Unchanged   bool
	Changes     Summary
	HeldBack    bool             `json:",omitempty"` // a pin held the submission back
	Restored    []fleet.SourceID `json:",omitempty"`
	Skipped     []fleet.SourceID `json:",omitempty"`
}

// Commit is one atomic change of a group.
type Commit struct {
	Group       fleet.GroupID
	HeadVersion int64     // as read
	Collected   int64     // likewise
	Head        *Revision // the new head; the old one again when only a source's origins change; nil leaves a group without any
	NewRevision bool      // Head is to be added to the history
	Put         []Source  // the sources to write
	Delete      []fleet.SourceID
	RequestID   string // empty records nothing
	Request     Request
}

// ledger stores the state.
type ledger interface {
	// Read returns the present state of a group. A group without submissions has an empty state.
	Read(ctx context.Context, group fleet.GroupID) (State, error)
	// Commit makes a change. It returns false when the group changed since it was read, or the request was answered.
	Commit(ctx context.Context, c Commit) (bool, error)
	// Request returns the answer to a request_id.
	Request(ctx context.Context, group fleet.GroupID, id string) (Request, bool, error)
	// Revision returns one revision, or nil.
	Revision(ctx context.Context, group fleet.GroupID, number fleet.Revision) (*Revision, error)
	// PutFragment stores the stored form of a fragment under its digest.
	PutFragment(ctx context.Context, digest fleet.Digest, stored []byte) error
	// Stored reports whether fragments are there.
	Stored(ctx context.Context, digests []fleet.Digest) (bool, error)
	// Fragment returns it.
	Fragment(ctx context.Context, digest fleet.Digest) ([]byte, error)
	// History returns all revisions of a group.
	History(ctx context.Context, group fleet.GroupID) (History, error)
	// TakeTurn ends every other collection and returns the turn of this one. It is refused after one with a later list of what is in use.
	TakeTurn(ctx context.Context, before int64) (Turn, error)
	// DeleteRevisions deletes revisions of a group, unless it changed since it was read, and returns how many.
	DeleteRevisions(ctx context.Context, turn Turn, group fleet.GroupID, headVersion int64, old []fleet.Revision) (int, error)
	// Sweep deletes content that nothing names; inUse is named, too.
	Sweep(ctx context.Context, turn Turn, inUse []fleet.Digest) (Swept, error)
}

// groups knows which groups exist.
type groups interface {
	// Exists reports whether the registry has the group. An error means that this is unknown now.
	Exists(ctx context.Context, group fleet.GroupID) (bool, error)
	// Served returns what the gateways in contact were proven to serve. An error means that this is unknown now.
	Served(ctx context.Context, group fleet.GroupID) ([]serving.Served, error)
	// Unmanaged returns what gateways serve outside of revisions. An error means that this is unknown now.
	Unmanaged(ctx context.Context, group fleet.GroupID) ([]serving.Unmanaged, error)
	// Limits returns what gateways in contact report about the size of configurations.
	Limits(ctx context.Context, group fleet.GroupID) ([]serving.Limits, error)
}

// validators knows the schemas of a group's gateways.
type validators interface {
	Of(ctx context.Context, group fleet.GroupID) schemas.Validators
}

// Submission is a request to set the content of a source.
type Submission struct {
	Group        fleet.GroupID
	Source       fleet.SourceID
	Documents    []compile.Document
	Expected     fleet.Revision // 0 is any
	RequestID    string
	Message      string
	Author       string
	ValidateOnly bool
	AllowShrink  bool
	// ReplaceUnmanaged allows unmanaged gateways to lose what they serve. LeaveUnmanaged leaves them as they are, except those that serve what
	// ReplaceServed names.
	ReplaceUnmanaged bool
	LeaveUnmanaged   bool
	ReplaceServed    []string
}

// Outcome is the result of a submission, a restoration or a change of a pin.
type Outcome struct {
	Revision  *Revision
	Unchanged bool
	Changes   Summary
	Warnings  []compile.Problem
	// Entities and Size are of the group with the submission; zero when the submission was held back.
	Entities map[string]int64
	Size     int64
	Streak   target.Streak // of the revision that is made, or would be

	HeldBack *Pin             // of a submission that the pin held back: nothing was changed
	Source   *Source          // of a pin that is set or taken away: the source after it; nil when it is gone
	Restored []fleet.SourceID // of a restoration: those that have the earlier content
	Skipped  []fleet.SourceID // and those that were left alone
}
