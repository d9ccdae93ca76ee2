package desired

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/kong/cost"
	serving "github.com/silverback-gateway/silverback/services/translator/internal/groups"
)

const (
	// Below unasked bytes and unaskedRoutes every gateway takes a snapshot, within a second and in little memory.
	unasked       = 1 << 20
	unaskedRoutes = 1000
	// reserved is what an agent adds to a snapshot before it posts it.
	reserved = 2 << 10
	// limitsFor is how long reported limits are cached.
	limitsFor = time.Minute
)

// limits caches the reported limits of groups.
type limits struct {
	mu     sync.Mutex
	groups map[fleet.GroupID]limitsAt
}

type limitsAt struct {
	at  time.Time
	all []serving.Limits
}

func (l *limits) of(ctx context.Context, from interface {
	Limits(ctx context.Context, group fleet.GroupID) ([]serving.Limits, error)
}, group fleet.GroupID, now time.Time,
) []serving.Limits {
	l.mu.Lock()
	known, ok := l.groups[group]
	l.mu.Unlock()
	if ok && now.Sub(known.at) < limitsFor {
		return known.all
	}
	all, err := from.Limits(ctx, group)
	if err != nil {
		return nil // submissions work without the registry; agents check for themselves
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.groups == nil {
		l.groups = map[fleet.GroupID]limitsAt{}
	}
	maps.DeleteFunc(l.groups, func(_ fleet.GroupID, old limitsAt) bool { return now.Sub(old.at) >= limitsFor })
	l.groups[group] = limitsAt{now, all}
	return all
}

// fits refuses a snapshot too large for all gateways of the group, and warns of one too large for some, or slow to load. The size is that
// of the canonical form, up to 40 % more than that of the documents.
func (d *Service) fits(ctx context.Context, group fleet.GroupID, head *Revision, m *merged, documents []compile.Document) error {
	size := int64(len(m.snapshot.Canonical()))
	load := cost.SizeOf(counts(m.result.Counts), size)
	if size <= unasked && load.Routes <= unaskedRoutes {
		return nil
	}
	all := d.limits.of(ctx, d.Groups, group, d.Now())
	var submitted int64
	for _, doc := range documents {
		submitted += int64(len(doc.Content))
	}
	if over, every := overBody(all, size+reserved); len(over) > 0 {
		message := fmt.Sprintf("the group's configuration has %d bytes in the canonical form that gateways are given (%d bytes were "+
			"submitted), and %s: raise nginx_admin_client_max_body_size in their kong.conf, or split the group",
			size, submitted, saidOver(over, len(all)))
		if every {
			return tooLarge("SNAPSHOT_OVER_BODY_LIMIT", message)
		}
		m.warnings = append(m.warnings, compile.Problem{Message: message})
	}
	sizes := map[fleet.Digest]cost.Size{m.snapshot.Digest(): load}
	if head != nil {
		sizes[head.Digest] = cost.SizeOf(head.Entities, head.Size)
	}
	for _, message := range []string{slowest(all, sizes, load), tightest(all, load)} {
		if message != "" {
			m.warnings = append(m.warnings, compile.Problem{Message: message})
		}
	}
	return nil
}

// overBody returns the nodes with a limit below a size, the smallest first, and whether these are all nodes.
func overBody(all []serving.Limits, size int64) (over []serving.Limits, every bool) {
	for _, n := range all {
		if n.Body > 0 && n.Body < size {
			over = append(over, n)
		}
	}
	slices.SortStableFunc(over, func(a, b serving.Limits) int { return int(min(max(a.Body-b.Body, -1), 1)) })
	return over, len(over) == len(all)
}

func saidOver(over []serving.Limits, all int) string {
	if len(over) == 1 && all == 1 {
		return fmt.Sprintf("its gateway %s takes at most %d in a request", over[0].Node, over[0].Body)
	}
	return fmt.Sprintf("%d of %d gateways take less in a request (such as %s, at most %d)", len(over), all, over[0].Node, over[0].Body)
}
