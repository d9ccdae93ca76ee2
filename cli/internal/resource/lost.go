package resource

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// A lostRevision is one that gateways serve and the ledger does not have: it was committed after the backup that was restored.
type lostRevision struct {
	Number int64  `json:"number"`
	Digest string `json:"digest"`
	Nodes  int    `json:"nodes"` // that serve it
}

// maxLost bounds the calls that look for them: nodes of a group serve few revisions.
const maxLost = 10

// findLost looks up the revisions that nodes ahead of the ledger serve. One that cannot be looked up is not named.
func findLost(ctx context.Context, a *app.App, all []groupStatus, ledger *distributorv1.Ledger) {
	if ledger.GetAheadCount() == 0 {
		return
	}
	ahead := map[[2]string]bool{}
	for _, n := range ledger.GetAhead() {
		ahead[[2]string{n.GetGroup(), n.GetNode()}] = true
	}
	ctx, cancel := a.Call(ctx)
	defer cancel()
	for i := range all {
		s := &all[i]
		if s.noRevision {
			continue
		}
		served := map[lostRevision]int{}
		for _, n := range s.nodes {
			if (ahead[[2]string{n.GetGroup(), n.GetName()}] || refusesOlder(n)) && n.GetStatus().GetRevision() > 0 {
				served[lostRevision{Number: n.GetStatus().GetRevision(), Digest: n.GetStatus().GetDigest()}]++
			}
		}
		s.lost = lostOf(served, func(number int64) (string, bool) {
			answer, err := a.Translator().GetRevision(ctx, &translatorv1.GetRevisionRequest{Group: s.group.GetName(), Revision: number})
			return answer.GetRevision().GetDigest(), err == nil || status.Code(err) == codes.NotFound
		})
	}
}

// lostOf returns the revisions whose digest is not that of the ledger, by number. Has returns the digest in the ledger, empty without that
// revision, and false when it is not known.
func lostOf(served map[lostRevision]int, has func(int64) (string, bool)) (lost []lostRevision) {
	all := slices.SortedFunc(maps.Keys(served), func(x, y lostRevision) int {
		return cmp.Or(cmp.Compare(y.Number, x.Number), cmp.Compare(x.Digest, y.Digest))
	})
	for _, r := range all[:min(len(all), maxLost)] {
		if digest, known := has(r.Number); known && digest != r.Digest {
			r.Nodes = served[r]
			lost = append(lost, r)
		}
	}
	slices.Reverse(lost)
	return lost
}

// refusesOlder reports whether a node says that the ledger does not have what it follows.
func refusesOlder(n *registryv1.Node) bool {
	for _, c := range n.GetStatus().GetConditions() {
		if c.GetType() == "DecisionStale" {
			return true
		}
	}
	return false
}

// String says what is lost.
func (r lostRevision) String() string {
	verb := "serve"
	if r.Nodes == 1 {
		verb = "serves"
	}
	return fmt.Sprintf("revision %d (%s), which %s %s, is not in the ledger", r.Number, show.Digest(r.Digest),
		show.Count(int64(r.Nodes), "gateway", "gateways"), verb)
}
