// Package schemas caches the bundles of schemas that validate configurations. They are fetched from the registry by digest, compiled once,
// and kept while any group has them. They stay while the registry is away.
package schemas

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kong/compile"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	named "github.com/silverback-gateway/silverback/services/translator/internal/groups"
)

const (
	// fetchTimeout is how long a submission waits for a bundle that is not in the cache.
	fetchTimeout = 2 * time.Second
	// failedFor is how long submissions do not ask again for a bundle after a failure.
	failedFor = 5 * time.Second
)

// refetch is for bundles that groups name and the registry did not return.
var refetch = backoff.Policy{Base: time.Second, Cap: 30 * time.Second, Jitter: 0.5}

// groups knows the bundles of groups.
type groups interface {
	// Schemas returns the bundles of a group.
	Schemas(ctx context.Context, group fleet.GroupID) []named.Schemas
	// AllSchemas returns the bundles of all groups, and a channel that is closed when they may have changed.
	AllSchemas() (map[fleet.Digest]bool, <-chan struct{})
}

// A Cache holds bundles. It is safe for concurrent use.
type Cache struct {
	client registryv1.RegistryServiceClient
	groups groups
	log    *slog.Logger
	flight singleflight.Group

	mu      sync.Mutex
	bundles map[fleet.Digest]*Bundle
	failed  map[fleet.Digest]failure
}

type failure struct {
	at    time.Time
	err   error
	times int
}

// New returns an empty cache; Run fills it ahead of submissions.
func New(client registryv1.RegistryServiceClient, g groups, log *slog.Logger) *Cache {
	return &Cache{client: client, groups: g, log: log, bundles: map[fleet.Digest]*Bundle{}, failed: map[fleet.Digest]failure{}}
}

// maxNames bounds how many nodes of the same rules are named.
const maxNames = 5

// Validators check the configuration of a group, one for each kind of gateway.
type Validators struct {
	Enforced []Validator // their refusals are faults
	Advisory []Validator // too few nodes report these: their refusals are warnings
	ID       string      // of the set of enforced ones
	Missing  []string
}

// A Validator stands for the bundles of a group that have the same rules.
type Validator struct {
	compile.Validator
	Rules fleet.Digest // the digest of the bundle itself, unless older agents wrote it
	Who   string       // names the bundle and its nodes, for people
}

// Kinds is how many kinds of gateways the group has.
func (p Validators) Kinds() int { return len(p.Enforced) + len(p.Advisory) + len(p.Missing) }

// A ruleSet is the bundles of the same rules, with all of their nodes.
type ruleSet struct {
	named.Schemas
	bundle *Bundle
}

// ruleSets groups the bundles of a group by their rules, since bundles of older agents differ although their rules do not. It also returns
// the missing bundles.
func (s *Cache) ruleSets(ctx context.Context, group fleet.GroupID) (sets []*ruleSet, missing []named.Schemas) {
	of := map[fleet.Digest]*ruleSet{}
	for _, n := range s.groups.Schemas(ctx, group) {
		b, err := s.bundle(ctx, n.Digest)
		if err != nil {
			missing = append(missing, n)
			continue
		}
		same := of[b.bundle.Rules()]
		if same == nil {
			same = &ruleSet{n, b}
			of[b.bundle.Rules()], sets = same, append(sets, same)
			continue
		}
		same.Counts = same.Counts || n.Counts
		same.Nodes += n.Nodes
		same.Names = slices.Concat(same.Names, n.Names)
		same.Names = same.Names[:min(len(same.Names), maxNames)]
	}
	return sets, missing
}

// Of returns the present validators of a group. It waits only briefly for the registry.
func (s *Cache) Of(ctx context.Context, group fleet.GroupID) Validators {
	var p Validators
	names := map[string]int{}
	sets, missing := s.ruleSets(ctx, group)
	for _, n := range missing {
		p.Missing = append(p.Missing, "the schemas "+n.Digest.Short()+behind(n))
	}
	for _, r := range sets {
		j := Validator{r.bundle, r.bundle.bundle.Rules(), "the schemas " + r.Digest.Short() + " of " + r.bundle.name + behind(r.Schemas)}
		if !r.Counts {
			p.Advisory = append(p.Advisory, j)
			continue
		}
		p.Enforced = append(p.Enforced, j)
		names[r.bundle.name]++
		p.ID += string(j.Rules) + " "
	}
	for i, j := range p.Enforced {
		if name := j.Name(); names[name] > 1 {
			twin := *j.Validator.(*Bundle)
			twin.name += " with the schemas " + j.Rules.Short()
			p.Enforced[i].Validator = &twin
		}
	}
	return p
}

// behind names the nodes that report a bundle.
func behind(n named.Schemas) string {
	switch {
	case len(n.Names) == 0:
		return ""
	case n.Nodes == 1:
		return ", which only node " + n.Names[0] + " reports"
	case n.Nodes > len(n.Names):
		return fmt.Sprintf(", which %d nodes report: %s, ...", n.Nodes, strings.Join(n.Names, ", "))
	}
	return ", which the nodes " + strings.Join(n.Names, ", ") + " report"
}

// Run fetches the bundles that groups have and drops the others, until ctx ends.
func (s *Cache) Run(ctx context.Context) error {
	pause := backoff.Backoff{Policy: refetch}
	for {
		named, changed := s.groups.AllSchemas()
		missing := 0
		for _, digest := range s.tidy(named) {
			if _, err := s.fetch(ctx, digest); err != nil {
				missing++
			}
		}
		var retry <-chan time.Time
		if missing == 0 {
			pause.Reset()
		} else {
			retry = time.After(pause.Next())
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		case <-retry:
		}
	}
}

// tidy drops bundles that no group has, and returns the missing ones.
func (s *Cache) tidy(named map[fleet.Digest]bool) (missing []fleet.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.bundles, func(digest fleet.Digest, _ *Bundle) bool { return !named[digest] })
	maps.DeleteFunc(s.failed, func(digest fleet.Digest, _ failure) bool { return !named[digest] })
	for digest := range named {
		if s.bundles[digest] == nil {
			missing = append(missing, digest)
		}
	}
	return missing
}

// bundle returns a bundle of the cache, or fetches it, unless that failed a moment ago.
func (s *Cache) bundle(ctx context.Context, digest fleet.Digest) (*Bundle, error) {
	s.mu.Lock()
	b, f := s.bundles[digest], s.failed[digest]
	s.mu.Unlock()
	switch {
	case b != nil:
		return b, nil
	case f.err != nil && time.Since(f.at) < failedFor:
		return nil, f.err
	}
	return s.fetch(ctx, digest)
}

func (s *Cache) fetch(ctx context.Context, digest fleet.Digest) (*Bundle, error) {
	done := s.flight.DoChan(string(digest), func() (any, error) {
		b, err := s.ask(context.WithoutCancel(ctx), digest)
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil {
			f := failure{time.Now(), err, s.failed[digest].times + 1}
			if f.times == 2 { // the first time, the upload may still be under way
				s.log.Warn("schemas not fetched; submissions are checked without them", "schemas", string(digest), "error", rpc.Why(err))
			}
			s.failed[digest] = f
			return nil, err
		}
		s.bundles[digest] = b
		delete(s.failed, digest)
		return b, nil
	})
	select {
	case r := <-done:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*Bundle), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (s *Cache) ask(ctx context.Context, digest fleet.Digest) (*Bundle, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	answer, err := s.client.GetSchemas(ctx, &registryv1.GetSchemasRequest{Digest: string(digest)})
	if err != nil {
		return nil, fmt.Errorf("ask the registry: %w", err)
	}
	return open(digest, answer.GetZstd())
}
