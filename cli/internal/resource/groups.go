package resource

import (
	"cmp"
	"context"
	"fmt"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

func listGroups(ctx context.Context, a *app.App, q query) error {
	groups, err := allGroups(ctx, a)
	if err != nil {
		return err
	}
	if groups, err = named("group", cmp.Or(q.name, q.group), groups, (*registryv1.Group).GetName); err != nil {
		return err
	}
	grid := &show.Grid{Header: groupHeader, More: groupMore}
	for _, g := range groups {
		grid.Add(groupRow(a, g)...)
	}
	return printList(ctx, a, q, &registryv1.ListGroupsResponse{Groups: groups}, grid)
}

// groupHeader names the columns of groups, of which only -o wide shows the last groupMore.
var groupHeader = []string{"GROUP", "WAVES", "AGE", "DESCRIPTION", "ON REJECT", "DRIFT"}

const groupMore = 2

func groupRow(a *app.App, g *registryv1.Group) []string {
	return []string{
		g.GetName(), waves(g.GetPolicy()), show.Age(a.Now(), g.GetCreateTime()), show.Clean(show.First(g.GetDescription())),
		cmp.Or(show.Enum(g.GetPolicy().GetOnReject(), "ON_REJECT_"), "halt"),
		cmp.Or(show.Enum(g.GetDrift(), "DRIFT_POLICY_"), "heal"),
	}
}

func allGroups(ctx context.Context, a *app.App) ([]*registryv1.Group, error) {
	return pages(ctx, func(ctx context.Context, token string) ([]*registryv1.Group, string, error) {
		page, err := a.Registry().ListGroups(ctx, &registryv1.ListGroupsRequest{PageSize: pageSize, PageToken: token})
		return page.GetGroups(), page.GetNextPageToken(), err
	})
}

// waves prints the waves of a policy as --waves takes them: 1, 10%:30s, 100%.
func waves(p *fleetv1.RolloutPolicy) string {
	if len(p.GetWaves()) == 0 {
		return "1, 100%"
	}
	text := ""
	for i, w := range p.GetWaves() {
		if i > 0 {
			text += ", "
		}
		switch {
		case w.GetNodes() > 0:
			text += fmt.Sprint(w.GetNodes())
		case w.GetLabel() != "":
			text += show.Clean(w.GetLabel())
		default:
			text += fmt.Sprintf("%d%%", w.GetPercent())
		}
		if soak := w.GetSoak().AsDuration(); soak > 0 {
			text += ":" + soak.String()
		}
	}
	return text
}
