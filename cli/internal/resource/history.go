package resource

import (
	"context"
	"fmt"
	"strconv"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/pins"
	"github.com/silverback-gateway/silverback/cli/internal/rollout"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

func allSources(ctx context.Context, a *app.App, group string) ([]*translatorv1.Source, error) {
	return pages(ctx, func(ctx context.Context, token string) ([]*translatorv1.Source, string, error) {
		page, err := a.Translator().ListSources(ctx, &translatorv1.ListSourcesRequest{Group: group, PageSize: pageSize, PageToken: token})
		return page.GetSources(), page.GetNextPageToken(), err
	})
}

func listSources(ctx context.Context, a *app.App, q query) error {
	sources, err := allSources(ctx, a, q.group)
	if err != nil {
		return err
	}
	if sources, err = named("source", q.name, sources, (*translatorv1.Source).GetName); err != nil {
		return err
	}
	grid := &show.Grid{Header: []string{"GROUP", "SOURCE", "REVISION", "AGE", "AUTHOR", "ENTITIES", "PIN", "DOCUMENTS"}, More: 1}
	for _, s := range sources {
		grid.Add(s.GetGroup(), s.GetName(), positive(s.GetRevision()), show.Age(a.Now(), s.GetUpdateTime()), show.Clean(s.GetAuthor()),
			fmt.Sprint(s.GetEntityCount()), pins.Mark(s.GetPin()), fmt.Sprint(len(s.GetDocuments())))
	}
	return printList(ctx, a, q, &translatorv1.ListSourcesResponse{Sources: sources}, grid)
}

// revisionHeader names the columns of revisions, of which only -o wide shows the last revisionMore.
var revisionHeader = []string{"GROUP", "REVISION", "SOURCE", "AGE", "AUTHOR", "MESSAGE", "ADDED", "CHANGED", "REMOVED", "DIGEST",
	"ENTITIES", "SIZE"}

const revisionMore = 6

func listRevisions(ctx context.Context, a *app.App, q query) error {
	revisions, err := pages(ctx, func(ctx context.Context, token string) ([]*translatorv1.Revision, string, error) {
		page, err := a.Translator().ListRevisions(ctx, &translatorv1.ListRevisionsRequest{Group: q.group, PageSize: pageSize, PageToken: token})
		return page.GetRevisions(), page.GetNextPageToken(), err
	})
	if err != nil {
		return err
	}
	if revisions, err = named("revision", q.name, revisions, func(r *translatorv1.Revision) string {
		return strconv.FormatInt(r.GetNumber(), 10)
	}); err != nil {
		return err
	}
	grid := &show.Grid{Header: revisionHeader, More: revisionMore}
	for _, r := range revisions {
		grid.Add(revisionRow(a, r)...)
	}
	return printList(ctx, a, q, &translatorv1.ListRevisionsResponse{Revisions: revisions}, grid)
}

func revisionRow(a *app.App, r *translatorv1.Revision) []string {
	c := r.GetChanges()
	return []string{
		r.GetGroup(), fmt.Sprint(r.GetNumber()), r.GetSource(), show.Age(a.Now(), r.GetCreateTime()), show.Clean(r.GetAuthor()),
		show.Clean(show.First(r.GetMessage())), fmt.Sprint(c.GetAdded()), fmt.Sprint(c.GetChanged()), fmt.Sprint(c.GetRemoved()),
		show.Digest(r.GetDigest()), fmt.Sprint(entityCount(r)), show.Bytes(r.GetSizeBytes()),
	}
}

func entityCount(r *translatorv1.Revision) (all int64) {
	for _, n := range r.GetEntities() {
		all += n
	}
	return all
}

func listRollouts(ctx context.Context, a *app.App, q query) error {
	rollouts, err := pages(ctx, func(ctx context.Context, token string) ([]*distributorv1.Rollout, string, error) {
		page, err := a.Rollouts().ListRollouts(ctx, &distributorv1.ListRolloutsRequest{Group: q.group, PageSize: pageSize, PageToken: token})
		return page.GetRollouts(), page.GetNextPageToken(), err
	})
	if err != nil {
		return err
	}
	if rollouts, err = named("rollout", rollout.ID(q.name), rollouts, (*distributorv1.Rollout).GetId); err != nil {
		return err
	}
	return printList(ctx, a, q, &distributorv1.ListRolloutsResponse{Rollouts: rollouts}, rollout.Table(a, rollouts))
}
