package resource

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// whatIsKeptOut is part of the help of both commands.
const whatIsKeptOut = `Within seconds every replica of every service closes its connections and refuses its calls, until
silverback unrevoke. All certificates issued up to 30 seconds from now are refused, by their NotBefore. One issued later is
accepted. Issuers that backdate certificates must wait that much longer: silverback certs backdates by one minute.`

// RevokeNode returns the command that revokes a node's certificates.
func RevokeNode(a *app.App) *cobra.Command {
	var group, reason string
	cmd := &cobra.Command{
		Use:   "node NODE [-g GROUP] [--reason WHY]",
		Short: "Revoke a node's certificates; its gateway keeps serving its present configuration",
		Long: `Revokes the certificates of a node. ` + whatIsKeptOut + `
The node stays known; silverback delete node forgets and revokes it.`,
		Example: "  silverback revoke node gw-3 -g edge --reason 'disk stolen'",
		Args:    app.Args("the name of one node"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeRevocation(cmd.Context(), a, func(ctx context.Context, registry registryv1.RegistryServiceClient) (proto.Message, string,
				error) {
				if group == "" {
					known, err := registry.GetNode(ctx, &registryv1.GetNodeRequest{Node: args[0]})
					if status.Code(err) == codes.NotFound {
						return nil, "", fmt.Errorf("no node %q is known: name its group with -g to revoke it all the same", args[0])
					}
					if err != nil {
						return nil, "", err
					}
					group = known.GetNode().GetGroup()
				}
				answer, err := registry.RevokeNode(ctx, &registryv1.RevokeNodeRequest{Group: group, Node: args[0], Reason: reason,
					RequestId: uuid.NewString()})
				return answer, keptOut(answer.GetRevocation()), err
			})
		},
	}
	cmd.Flags().StringVarP(&group, "group", "g", "", "the group of the node; not needed when the node is known and its name is unique")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for people")
	return cmd
}

// RevokeUser returns the command that revokes a user's certificates.
func RevokeUser(a *app.App) *cobra.Command {
	var reason string
	var self bool
	cmd := &cobra.Command{
		Use:   "user NAME [--reason WHY]",
		Short: "Revoke a user's certificates, whatever their role",
		Long: `Revokes the certificates of a user: of a person or a program, by the name that the certificates have. ` + whatIsKeptOut + `
Nobody is spared: when the only operator is revoked, only an operator with a new certificate can undo it.`,
		Example: "  silverback revoke user ann --reason 'laptop lost'",
		Args:    app.Args("the name of one user"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeRevocation(cmd.Context(), a, func(ctx context.Context, registry registryv1.RegistryServiceClient) (proto.Message, string,
				error) {
				answer, err := registry.RevokeUser(ctx, &registryv1.RevokeUserRequest{Name: args[0], Reason: reason, AllowSelf: self,
					RequestId: uuid.NewString()})
				return answer, keptOut(answer.GetRevocation()), err
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for people")
	cmd.Flags().BoolVar(&self, "allow-self", false, "also when it is the user of this command's certificate; another user must undo it")
	return cmd
}

// UnrevokeNode returns the command that ends the revocation of a node.
func UnrevokeNode(a *app.App) *cobra.Command {
	var group string
	cmd := &cobra.Command{
		Use:     "node NODE [-g GROUP]",
		Short:   "End the revocation of a node's certificates, old ones too",
		Long:    "Ends the revocation of a node. Every certificate of it works again, also one that was stolen: a new certificate needs no undo.",
		Example: "  silverback unrevoke node gw-3 -g edge",
		Args:    app.Args("the name of one node"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeRevocation(cmd.Context(), a, func(ctx context.Context, registry registryv1.RegistryServiceClient) (proto.Message, string,
				error) {
				if group == "" {
					var err error
					if group, err = groupOfRevoked(ctx, a, args[0]); err != nil {
						return nil, "", err
					}
				}
				answer, err := registry.UnrevokeNode(ctx, &registryv1.UnrevokeNodeRequest{Group: group, Node: args[0], RequestId: uuid.NewString()})
				return answer, fmt.Sprintf("node %q of group %q is not revoked", args[0], group), err
			})
		},
	}
	cmd.Flags().StringVarP(&group, "group", "g", "", "the group of the node; not needed when only one node of the name is revoked")
	return cmd
}

// UnrevokeUser returns the command that ends the revocation of a user.
func UnrevokeUser(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:   "user NAME",
		Short: "End the revocation of a user's certificates, old ones too",
		Long: "Ends the revocation of a user. Every certificate of the user works again, also one that was stolen: a new certificate needs " +
			"no undo.",
		Example: "  silverback unrevoke user ann",
		Args:    app.Args("the name of one user"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeRevocation(cmd.Context(), a, func(ctx context.Context, registry registryv1.RegistryServiceClient) (proto.Message, string,
				error) {
				answer, err := registry.UnrevokeUser(ctx, &registryv1.UnrevokeUserRequest{Name: args[0], RequestId: uuid.NewString()})
				return answer, fmt.Sprintf("user %q is not revoked", args[0]), err
			})
		},
	}
}

// changeRevocation makes a call and prints the result.
func changeRevocation(ctx context.Context, a *app.App, call func(context.Context, registryv1.RegistryServiceClient) (proto.Message, string,
	error)) error {
	registry := a.Registry()
	ctx, cancel := a.Call(ctx)
	defer cancel()
	answer, said, err := call(ctx, registry)
	if err != nil {
		return err
	}
	if a.Flags.Output != show.Table {
		return show.Message(a.Out, a.Flags.Output, answer)
	}
	show.Printf(a.Out, "%s\n", said)
	return nil
}

// keptOut describes the effect of a revocation.
func keptOut(r *registryv1.Revocation) string {
	return fmt.Sprintf("certificates of %s that were issued up to %s are refused; one that is issued later works", subject(r),
		show.Time(r.GetIssuedUntil()))
}

func subject(r *registryv1.Revocation) string {
	if r.GetKind() == registryv1.Revocation_KIND_USER {
		return fmt.Sprintf("user %q", r.GetName())
	}
	return fmt.Sprintf("node %q of group %q", r.GetName(), r.GetGroup())
}

// groupOfRevoked finds the group of the one revoked node of a name.
func groupOfRevoked(ctx context.Context, a *app.App, node string) (string, error) {
	all, err := allRevocations(ctx, a)
	if err != nil {
		return "", err
	}
	var groups []string
	for _, r := range all {
		if r.GetKind() == registryv1.Revocation_KIND_NODE && r.GetName() == node {
			groups = append(groups, r.GetGroup())
		}
	}
	switch len(groups) {
	case 0:
		return "", fmt.Errorf("no node %q is revoked", node)
	case 1:
		return groups[0], nil
	}
	return "", fmt.Errorf("nodes %q of the groups %s are revoked: choose one with -g", node, strings.Join(groups, ", "))
}

func listRevocations(ctx context.Context, a *app.App, q query) error {
	all, err := allRevocations(ctx, a)
	if err != nil {
		return err
	}
	var wanted []*registryv1.Revocation
	for _, r := range all {
		if (q.group == "" || r.GetGroup() == q.group) && (q.name == "" || r.GetName() == q.name) {
			wanted = append(wanted, r)
		}
	}
	if q.name != "" && len(wanted) == 0 {
		return fmt.Errorf("there is no revocation of %q", q.name)
	}
	grid := &show.Grid{Header: []string{"GROUP", "KIND", "NAME", "AGE", "BY", "REASON", "ISSUED UP TO"}, More: 1}
	for _, r := range wanted {
		grid.Add(
			r.GetGroup(), show.Enum(r.GetKind(), "KIND_"), r.GetName(), show.Age(a.Now(), r.GetCreateTime()),
			r.GetRevokedBy(), show.First(r.GetReason()), show.Time(r.GetIssuedUntil()),
		)
	}
	return printList(ctx, a, q, &registryv1.ListRevocationsResponse{Revocations: wanted}, grid)
}

func allRevocations(ctx context.Context, a *app.App) ([]*registryv1.Revocation, error) {
	return pages(ctx, func(ctx context.Context, token string) ([]*registryv1.Revocation, string, error) {
		page, err := a.Registry().ListRevocations(ctx, &registryv1.ListRevocationsRequest{PageSize: pageSize, PageToken: token})
		return page.GetRevocations(), page.GetNextPageToken(), err
	})
}
