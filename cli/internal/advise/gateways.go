package advise

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/releases"
	"github.com/silverback-gateway/silverback/kong/schema"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

const pageSize = 1000

// nodesOf returns the nodes of a group, or of all when it is empty, without those that have left.
func nodesOf(ctx context.Context, a *app.App, group string) ([]*registryv1.Node, error) {
	ctx, cancel := a.Call(ctx)
	defer cancel()
	var nodes []*registryv1.Node
	for token := ""; ; {
		page, err := a.Registry().ListNodes(ctx, &registryv1.ListNodesRequest{Group: group, PageSize: pageSize, PageToken: token})
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, page.GetNodes()...)
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	nodes = slices.DeleteFunc(nodes, func(n *registryv1.Node) bool { return n.GetState() == registryv1.Node_STATE_GONE })
	slices.SortFunc(nodes, func(x, y *registryv1.Node) int { return strings.Compare(nameOf(x), nameOf(y)) })
	if len(nodes) == 0 && group != "" {
		return nil, a.CheckGroup(ctx, group)
	}
	return nodes, nil
}

func nameOf(n *registryv1.Node) string { return show.Clean(n.GetGroup() + "/" + n.GetName()) }

// versionOf returns the version of a node's Kong.
func versionOf(n *registryv1.Node) (releases.Version, bool) {
	return releases.Parse(n.GetCapabilities().GetKongVersion())
}

// kong is the gateways that have the same rules.
type kong struct {
	bundle  *schema.Bundle
	Version string   `json:"kong_version"`
	Schemas string   `json:"schemas"` // their digest
	Nodes   []string `json:"nodes"`
}

// name names it for people.
func (k kong) name() string { return "Kong " + k.Version }

// kongsOf returns the schemas that nodes name, the most frequent first. What could not be had is told in problems.
func kongsOf(ctx context.Context, a *app.App, nodes []*registryv1.Node) (kongs []*kong, problems []string, err error) {
	by, byRules := map[string][]string{}, map[fleet.Digest]*kong{}
	for _, n := range nodes {
		digest := n.GetCapabilities().GetSchemaDigest()
		if digest == "" {
			problems = append(problems, fmt.Sprintf("the schemas of node %s, whose agent could not read them yet", nameOf(n)))
			continue
		}
		by[digest] = append(by[digest], nameOf(n))
	}
	for _, digest := range slices.Sorted(maps.Keys(by)) {
		names := by[digest]
		answer, err := getSchemas(ctx, a, digest)
		if err != nil && status.Code(err) != codes.NotFound {
			return nil, nil, err
		}
		var bundle *schema.Bundle
		if err == nil {
			bundle, err = schema.Unpack(answer.GetZstd())
		}
		if err != nil {
			problems = append(problems, fmt.Sprintf("the schemas of node %s: %s", names[0], clean.Line(err.Error(), clean.MaxMessage)))
			continue
		}
		same := byRules[bundle.Rules()]
		if same == nil {
			same = &kong{bundle: bundle, Version: show.Clean(bundle.KongVersion()), Schemas: string(bundle.Rules())}
			byRules[bundle.Rules()] = same
			kongs = append(kongs, same)
		}
		same.Nodes = append(same.Nodes, names...)
	}
	slices.SortStableFunc(kongs, func(x, y *kong) int {
		return cmp.Or(cmp.Compare(len(y.Nodes), len(x.Nodes)), cmp.Compare(x.Version, y.Version))
	})
	return kongs, problems, nil
}

func getSchemas(ctx context.Context, a *app.App, digest string) (*registryv1.GetSchemasResponse, error) {
	ctx, cancel := a.Call(ctx)
	defer cancel()
	return a.Registry().GetSchemas(ctx, &registryv1.GetSchemasRequest{Digest: digest})
}

// some lists names, the first few of them.
func some(names []string) string {
	const most = 3
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
