// Package desired keeps what the groups of a fleet should run: it merges sources, decides what a submission changes,
// and commits revisions. It knows no etcd keys and no proto messages.
package desired

import (
	"context"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kong/compile"
	serving "github.com/silverback-gateway/silverback/services/translator/internal/groups"
	"github.com/silverback-gateway/silverback/services/translator/internal/schemas"
)

// DefaultSource is the source of a submission that names none.
const DefaultSource fleet.SourceID = "default"

// Revision is a number in the history of a group. Immutable once committed.
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
	RequestID  string
	Trace      telemetry.TraceParent // of the submission
	// Replaces names what gateways served that no revision brought and in whose place this one may come, as it was meant; the newest last.
	Replaces []string
	// Restored is the earlier revision whose content sources got back; 0 is none.
	Restored fleet.Revision
	// Pins are the pinned sources of the group when the record was written: in a head, as they are now.
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

// Source is a named part of a group's configuration, as it is now.
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
	HeadVersion int64     // what a commit must find unchanged; 0 is not there
}

// Request is the answer that was given to a request_id.
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
	Head        *Revision // the new head; the old one again when only a source's origins change; nil leaves a group without any
	NewRevision bool      // Head is to be added to the history
	Put         []Source  // the sources to write
	Delete      []fleet.SourceID
	RequestID   string // empty records nothing
	Request     Request
}

// ledger is where the state is kept.
type ledger interface {
	// Read returns a group as it is now. A group that nothing was submitted to is an empty state.
	Read(ctx context.Context, group fleet.GroupID) (State, error)
	// Commit makes a change, or reports false when the group changed since it was read, or the request was answered.
	Commit(ctx context.Context, c Commit) (bool, error)
	// Request returns what a request_id was answered with.
	Request(ctx context.Context, group fleet.GroupID, id string) (Request, bool, error)
	// Revision returns one revision, or nil.
	Revision(ctx context.Context, group fleet.GroupID, number fleet.Revision) (*Revision, error)
	// PutFragment stores the stored form of a fragment under its digest.
	PutFragment(ctx context.Context, digest fleet.Digest, stored []byte) error
	// Fragment returns it.
	Fragment(ctx context.Context, digest fleet.Digest) ([]byte, error)
}

// groups knows which groups exist.
type groups interface {
	// Exists reports whether the registry has the group. An error means that it cannot be known now.
	Exists(ctx context.Context, group fleet.GroupID) (bool, error)
	// Served returns what the gateways of a group in contact were proven to serve. An error means that it cannot be known now.
	Served(ctx context.Context, group fleet.GroupID) ([]serving.Served, error)
	// Unmanaged returns what gateways of a group serve that no revision brought. An error means that it cannot be known now.
	Unmanaged(ctx context.Context, group fleet.GroupID) ([]serving.Unmanaged, error)
	// Limits returns what gateways of a group in contact say about the size of configurations that they take.
	Limits(ctx context.Context, group fleet.GroupID) ([]serving.Limits, error)
}

// validators knows by which schemas the gateways of a group judge configurations.
type validators interface {
	Of(ctx context.Context, group fleet.GroupID) schemas.Validators
}

// Submission is a source as somebody submits it.
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
	// ReplaceUnmanaged says that unmanaged gateways may lose what they serve, LeaveUnmanaged that they are left as they are, but for those
	// that serve what ReplaceServed names.
	ReplaceUnmanaged bool
	LeaveUnmanaged   bool
	ReplaceServed    []string
}

// Outcome is what became of a submission.
type Outcome struct {
	Revision  *Revision
	Unchanged bool
	Changes   Summary
	Warnings  []compile.Problem

	HeldBack *Pin             // of a submission that the pin held back: nothing was changed
	Source   *Source          // of a pin that is set or taken away: the source after it; nil when it is gone
	Restored []fleet.SourceID // of a restoration: those that have the earlier content
	Skipped  []fleet.SourceID // and those that were left alone
}
