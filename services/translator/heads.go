package translator

import (
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/translator/internal/desired"
	"github.com/silverback-gateway/silverback/services/translator/internal/store"
)

// newest adapts the cache of heads to the api.
type newest struct{ *store.Heads }

// Newest returns the heads written after an etcd revision, by group.
func (n newest) Newest(group fleet.GroupID, after int64) ([]*desired.Revision, int64) {
	all, token := n.AllAt()
	var found []*desired.Revision
	for _, h := range all {
		if h.Revision != nil && h.Written > after && (group == "" || group == h.Group) {
			found = append(found, h.Revision)
		}
	}
	slices.SortFunc(found, func(a, b *desired.Revision) int { return strings.Compare(string(a.Group), string(b.Group)) })
	return found, etcdkv.Revision(token)
}
