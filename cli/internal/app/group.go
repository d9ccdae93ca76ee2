package app

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// CheckGroup returns an error when the registry answers that a group does not exist. An empty list is often a misspelt group. Without an
// answer of the registry it returns nil.
func (a *App) CheckGroup(ctx context.Context, group string) error {
	if group == "" {
		return nil
	}
	ctx, cancel := a.Call(ctx)
	defer cancel()
	if _, err := a.Registry().GetGroup(ctx, &registryv1.GetGroupRequest{Name: group}); status.Code(err) == codes.NotFound {
		return &missingGroup{name: group, answer: err}
	}
	return nil
}

// missingGroup is the registry's answer about a group, with a remedy.
type missingGroup struct {
	name   string
	answer error
}

// Error names the group and the command that lists groups.
func (e *missingGroup) Error() string {
	return fmt.Sprintf("there is no group %q; silverback get groups lists them", e.name)
}

// Unwrap returns the registry's answer.
func (e *missingGroup) Unwrap() error { return e.answer }

// Explain replaces the error of a command that found nothing when the reason is that its --group does not exist.
func (a *App) Explain(ctx context.Context, cmd *cobra.Command, err error) error {
	if status.Code(err) != codes.NotFound {
		return err
	}
	flag := cmd.Flags().Lookup("group")
	if flag == nil {
		return err
	}
	if missing := a.CheckGroup(ctx, flag.Value.String()); missing != nil {
		return missing
	}
	return err
}
