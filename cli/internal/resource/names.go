package resource

import (
	"context"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// maxCompleted is how many revisions or rollouts completion offers, the newest first.
const maxCompleted = 20

// Names returns the names of a kind in a group, or in all when none is given, for completion. Kinds are as in get. A kind without names has
// none.
func Names(ctx context.Context, a *app.App, of, group string) ([]string, error) {
	k, ok := kindNamed(of)
	if !ok {
		return nil, nil
	}
	switch k.plural {
	case "groups":
		groups, err := allGroups(ctx, a)
		return namesOf(groups, (*registryv1.Group).GetName), err
	case "nodes":
		nodes, err := allNodes(ctx, a, group)
		return namesOf(nodes, (*registryv1.Node).GetName), err
	case "sources":
		sources, err := allSources(ctx, a, group)
		return namesOf(sources, (*translatorv1.Source).GetName), err
	case "revisions":
		return revisionNames(ctx, a, group)
	case "rollouts":
		return rolloutNames(ctx, a, group)
	}
	return nil, nil
}

func revisionNames(ctx context.Context, a *app.App, group string) ([]string, error) {
	if group == "" {
		return nil, nil
	}
	page, err := a.Translator().ListRevisions(ctx, &translatorv1.ListRevisionsRequest{Group: group, PageSize: maxCompleted})
	return namesOf(page.GetRevisions(), func(r *translatorv1.Revision) string { return strconv.FormatInt(r.GetNumber(), 10) }), err
}

func rolloutNames(ctx context.Context, a *app.App, group string) ([]string, error) {
	page, err := a.Rollouts().ListRollouts(ctx, &distributorv1.ListRolloutsRequest{Group: group, PageSize: maxCompleted})
	return namesOf(page.GetRollouts(), func(r *distributorv1.Rollout) string { return strings.TrimLeft(r.GetId(), "0") }), err
}

// namesOf returns names, each once, in the order of the items.
func namesOf[T any](items []T, nameOf func(T) string) []string {
	var names []string
	seen := map[string]bool{}
	for _, item := range items {
		if name := nameOf(item); !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}
