package resource

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
)

// pageSize asks for large pages: a fleet of 10,000 nodes is ten calls.
const pageSize = 1000

// pages collects a list that comes in pages.
func pages[T any](ctx context.Context, ask func(ctx context.Context, token string) ([]T, string, error)) ([]T, error) {
	var all []T
	for token := ""; ; {
		items, next, err := ask(ctx, token)
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
		if next == "" {
			return all, nil
		}
		token = next
	}
}

// named returns the items of a name, which several groups may have. It fails when there is none.
func named[T any](what, name string, items []T, nameOf func(T) string) ([]T, error) {
	if name == "" {
		return items, nil
	}
	var found []T
	for _, item := range items {
		if nameOf(item) == name {
			found = append(found, item)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("there is no %s %q", what, name)
	}
	return found, nil
}

// printList prints a whole list: the answer as the services return it, or a table. An empty list of a group that does not exist is an
// error.
func printList(ctx context.Context, a *app.App, q query, answer proto.Message, grid *show.Grid) error {
	if len(grid.Rows) == 0 {
		if err := a.CheckGroup(ctx, q.group); err != nil {
			return err
		}
	}
	if a.Flags.Output != show.Table {
		return show.Message(a.Out, a.Flags.Output, answer)
	}
	return grid.Draw(a.Out, a.Layout())
}
