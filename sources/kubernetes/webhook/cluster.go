package webhook

import (
	"sync"

	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// kindEndpoints is left out of what is reviewed. Endpoints come and go all the time, cost a third of a translation, and decide nothing but
// the targets of upstreams, which are not reviewed.
const kindEndpoints = "EndpointSlice"

// translated is a set of objects with what it means. It is not changed.
type translated struct {
	set      *object.Set
	result   translate.Result
	entities map[entityKey]entity
}

func translateSet(set *object.Set, options translate.Options) *translated {
	result := translate.Translate(set, options)
	return &translated{set: set, result: result, entities: entities(result.Config)}
}

// latest is what the newest set of the cluster means. It is made once for all reviews that see the same objects, whatever their endpoints
// are. It is safe for concurrent use.
type latest struct {
	mu    sync.Mutex
	given *object.Set // with the endpoints
	set   *object.Set // without them
	make  func() *translated
}

// of returns the set without endpoints, and a function that says what it means.
func (l *latest) of(given *object.Set, options translate.Options) (*object.Set, func() *translated) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.make == nil || l.given != given {
		l.given = given
		if set := given.WithoutKind(kindEndpoints); l.make == nil || !l.set.Same(set) {
			l.set, l.make = set, sync.OnceValue(func() *translated { return translateSet(set, options) })
		}
	}
	return l.set, l.make
}
