package desired

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/silverback-gateway/silverback/kit/content"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	"github.com/silverback-gateway/silverback/kong/target"
)

// MaxInput bounds the bytes of one submission's documents.
const MaxInput = snapshot.MaxSize

// waitTimeout bounds the wait for memory.
const waitTimeout = 10 * time.Second

// Deps are what a Service works with.
type Deps struct {
	Ledger   ledger
	Content  *content.Store
	Groups   groups
	Schemas  validators // nil: nothing is checked by schemas
	Compiler *compile.Compiler
	Log      *slog.Logger
	Now      func() time.Time
	Metrics  *Metrics

	SchemaCheck SchemaCheck
	// Memory is how many bytes the process may take before calls wait for each other; 0 means GOMEMLIMIT.
	Memory int64
}

// A Service takes submissions. It is safe for concurrent use, by several replicas at once.
type Service struct {
	Deps
	fragments *fragmentCache
	verdicts  verdicts
	limits    limits
	memory    int64 // that calls may take together
	room      *semaphore.Weighted

	collecting sync.Mutex
}

// New returns a service.
func New(d Deps) *Service {
	memory := forCalls(d.Memory)
	return &Service{Deps: d, fragments: newFragmentCache(), memory: memory, room: semaphore.NewWeighted(memory)}
}

// merged is a whole group, compiled and sealed.
type merged struct {
	snapshot *snapshot.Snapshot
	result   *compile.Result
	warnings []compile.Problem
}

// admit checks the size of an input and reserves the memory to compile it and its group.
func (d *Service) admit(ctx context.Context, group fleet.GroupID, documents []compile.Document) (release func(), err error) {
	var size int64
	for _, doc := range documents {
		size += int64(len(doc.Content))
	}
	if size > MaxInput {
		return nil, tooLarge("INPUT_TOO_LARGE", fmt.Sprintf("the documents have %d bytes; at most %d are allowed", size, MaxInput))
	}
	var head *Revision
	if group != "" {
		state, err := d.Ledger.Read(ctx, group)
		if err != nil {
			return nil, err
		}
		head = state.Head
	}
	return d.reserve(ctx, costOf(documents)+costOfGroup(head))
}

// reserve waits until so much memory is free. A call that needs more than all of it waits until it is alone.
func (d *Service) reserve(ctx context.Context, memory int64) (release func(), err error) {
	memory = min(memory, d.memory)
	waitCtx, cancel := context.WithTimeout(ctx, waitTimeout)
	defer cancel()
	if err := d.room.Acquire(waitCtx, memory); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		busy := fault.New(fault.Busy, "COMPILERS_BUSY", "too many large submissions at once; try again")
		busy.RetryAfter = time.Second
		return nil, busy
	}
	return func() { d.room.Release(memory) }, nil
}

// parse reads documents. With problems the fragment is nil, or only for refuse.
func (d *Service) parse(documents []compile.Document) (*compile.Fragment, []compile.Problem) {
	defer d.Metrics.stage("parse", time.Now())
	return d.Compiler.Read(documents)
}

// merge compiles a group's fragments into a snapshot.
func (d *Service) merge(fragments map[fleet.SourceID]*compile.Fragment, submitted fleet.SourceID) (*merged, error) {
	began := time.Now()
	input := make(map[compile.SourceID]*compile.Fragment, len(fragments))
	m := &merged{}
	for name, f := range fragments {
		input[name] = f
	}
	result, problems := d.Compiler.Merge(input)
	d.Metrics.stage("merge", began)
	if len(problems) > 0 {
		return nil, refused(withoutSource(problems, submitted))
	}
	began = time.Now()
	seal := snapshot.Seal
	if result.AsIs {
		seal = snapshot.SealAsIs
	}
	sealed, err := seal(result.Entities)
	d.Metrics.stage("seal", began)
	var over *snapshot.TooLargeError
	if errors.As(err, &over) {
		return nil, tooLarge("SNAPSHOT_TOO_LARGE", fmt.Sprintf("the group's configuration would have %d bytes; at most %d are allowed",
			over.Size, over.Limit))
	}
	if err != nil {
		return nil, fmt.Errorf("seal snapshot: %w", err)
	}
	m.snapshot, m.result = sealed, result
	// Warnings about other sources are for their own submitters.
	m.warnings = withoutSource(slices.DeleteFunc(slices.Clone(result.Warnings), func(w compile.Problem) bool {
		return w.Source != "" && w.Source != submitted
	}), submitted)
	return m, nil
}

// fragmentsOf returns the fragments of a group's sources except one. Missing content is a fault.
func (d *Service) fragmentsOf(ctx context.Context, group fleet.GroupID, sources []Source,
	without fleet.SourceID) (map[fleet.SourceID]*compile.Fragment, error) {
	fragments, lost, why, err := d.fragmentsLeft(ctx, sources, without)
	if err == nil && len(lost) > 0 {
		err = lostSources(group, lost, why)
	}
	return fragments, err
}

// fragmentsLeft returns the fragments of sources except one, and the names of those whose content is gone.
func (d *Service) fragmentsLeft(ctx context.Context, sources []Source, without fleet.SourceID) (
	fragments map[fleet.SourceID]*compile.Fragment, lost []fleet.SourceID, why, err error) {
	fragments = map[fleet.SourceID]*compile.Fragment{}
	for _, s := range sources {
		if s.Name == without {
			continue
		}
		f, err := d.fragment(ctx, s.Fragment)
		switch {
		case errors.Is(err, ErrLost):
			lost, why = append(lost, s.Name), err
		case err != nil:
			return nil, nil, nil, fmt.Errorf("read source %s: %w", s.Name, err)
		default:
			fragments[s.Name] = f
		}
	}
	return fragments, lost, why, nil
}

func (d *Service) fragment(ctx context.Context, digest fleet.Digest) (*compile.Fragment, error) {
	if f, ok := d.fragments.get(digest); ok {
		return f, nil
	}
	stored, err := d.Ledger.Fragment(ctx, digest)
	if err != nil {
		return nil, err
	}
	f, err := d.Compiler.Unmarshal(stored)
	if err != nil {
		return nil, err
	}
	d.fragments.put(digest, f)
	return f, nil
}

// before returns the canonical bytes of a revision to compare with; nil for an empty group.
func (d *Service) before(ctx context.Context, r *Revision) ([]byte, error) {
	if r == nil {
		return nil, nil
	}
	return d.contentOf(ctx, r)
}

// compare counts the changes from a revision to a snapshot, and returns the streak of the revision that the snapshot becomes.
func (d *Service) compare(ctx context.Context, r *Revision, now *snapshot.Snapshot) (Summary, target.Streak, error) {
	if r != nil && r.Digest == now.Digest() {
		return Summary{}, r.Streak, nil
	}
	defer d.Metrics.stage("compare", time.Now())
	before, err := d.before(ctx, r)
	if err != nil {
		return Summary{}, target.Streak{}, err
	}
	pairs, err := snapshot.Pairs(before, now.Canonical())
	if err != nil {
		return Summary{}, target.Streak{}, fmt.Errorf("compare snapshots: %w", err)
	}
	var streak target.Streak
	number := fleet.Revision(1)
	if r != nil {
		streak, number = r.Streak, r.Number+1
	}
	if streak, err = streak.Next(number, pairs, before, now.Canonical()); err != nil {
		return Summary{}, target.Streak{}, err
	}
	added, changed, removed := snapshot.Count(pairs)
	return Summary{Added: int64(added), Changed: int64(changed), Removed: int64(removed)}, streak, nil
}

// mustExist refuses a group unknown to the registry.
func (d *Service) mustExist(ctx context.Context, group fleet.GroupID) error {
	ok, err := d.Groups.Exists(ctx, group)
	if err != nil {
		return fault.New(fault.Down, "REGISTRY_DOWN", "cannot learn from the registry whether group %q exists", group).Because(err)
	}
	if !ok {
		return fault.New(fault.Missing, "NO_SUCH_GROUP", "there is no group %q; create it with: silverback create group %s", group, group)
	}
	return nil
}
