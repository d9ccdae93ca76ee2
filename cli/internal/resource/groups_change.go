package resource

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/fleet"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// groupFlags are what an operator may say of a group.
type groupFlags struct {
	description string
	waves       []string
	maxLoading  int32
	deadline    time.Duration
	maxFailed   int32
	drift       string
	probes      []string
	noProbes    bool
	trusted     []string
}

func (f *groupFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.description, "description", "", "a sentence for people")
	flags.StringSliceVar(&f.waves, "waves", nil, "the waves of a rollout: numbers of nodes or shares, each with a soak if wanted, as in "+
		"1,10%:30s,100%")
	flags.Int32Var(&f.maxLoading, "max-loading", 0, "the share of the group, in percent, that may load at once")
	flags.DurationVar(&f.deadline, "deadline", 0, "how long a wave may take before the rollout halts")
	flags.Int32Var(&f.maxFailed, "max-failed", 0, "the share of a wave, in percent, that may fail to load, or never answer")
	flags.StringVar(&f.drift, "drift", "", "what agents do about drift: heal or report")
	flags.StringArrayVar(&f.probes, "probe", nil, "a request that every agent sends through its gateway all the time, as in "+
		"/health,expect=200,host=shop.example,interval=5s,timeout=2s,header=X-Probe:1,readiness; "+
		"with readiness a failing one takes the node out of load balancing; several times, in place of all that were there")
	flags.BoolVar(&f.noProbes, "no-probes", false, "take all probes away")
	flags.StringSliceVar(&f.trusted, "trust-schemas", nil, "digests of bundles of schemas that may refuse a submission however few nodes "+
		"name them, in place of all that were there; "+
		"the first digits are enough for one that the group has; an empty value takes all away")
}

// given reports whether any flag of the group was set on the command line.
func (f *groupFlags) given(cmd *cobra.Command) bool {
	for _, name := range []string{"description", "waves", "max-loading", "deadline", "max-failed", "drift", "probe", "no-probes",
		"trust-schemas"} {
		if cmd.Flags().Changed(name) {
			return true
		}
	}
	return false
}

// put writes the flags that were set into a group, and leaves the rest.
func (f *groupFlags) put(cmd *cobra.Command, g *registryv1.Group) error {
	if g.Policy == nil {
		g.Policy = &fleetv1.RolloutPolicy{}
	}
	changed := cmd.Flags().Changed
	var problems []error
	if changed("description") {
		g.Description = f.description
	}
	if changed("waves") {
		waves, err := parseWaves(f.waves)
		problems = append(problems, err)
		g.Policy.Waves = waves
	}
	if changed("max-loading") {
		g.Policy.MaxLoadingPercent = f.maxLoading
	}
	if changed("deadline") {
		g.Policy.Deadline = durationpb.New(f.deadline)
	}
	if changed("max-failed") {
		gates(g).MaxFailedPercent = f.maxFailed
	}
	switch {
	case changed("probe") && f.noProbes:
		problems = append(problems, errors.New("--probe and --no-probes: give one of them"))
	case changed("probe"):
		probes, err := parseProbes(f.probes)
		problems = append(problems, err)
		gates(g).Probes = probes
	case f.noProbes:
		gates(g).Probes = nil
	}
	if changed("trust-schemas") {
		trusted, err := trustedSchemas(f.trusted, g.GetSchemaDigests())
		problems = append(problems, err)
		g.TrustedSchemas = trusted
	}
	if changed("drift") {
		value, ok := fleetv1.DriftPolicy_value["DRIFT_POLICY_"+strings.ToUpper(f.drift)]
		if !ok {
			problems = append(problems, fmt.Errorf("--drift %q: choose heal or report", f.drift))
		}
		g.Drift = fleetv1.DriftPolicy(value)
	}
	return errors.Join(problems...)
}

// trustedSchemas completes digests by those of a group.
func trustedSchemas(said, known []string) ([]string, error) {
	var all []string
	for _, word := range said {
		if _, err := fleet.ParseDigest(word); err == nil {
			all = append(all, word)
			continue
		}
		var found []string
		for _, digest := range known {
			if word != "" && strings.HasPrefix(strings.TrimPrefix(digest, "sha256:"), strings.TrimPrefix(word, "sha256:")) {
				found = append(found, digest)
			}
		}
		if len(found) != 1 {
			return nil, fmt.Errorf("--trust-schemas %q: %d bundles of the group begin so; silverback describe group shows them", word, len(found))
		}
		all = append(all, found[0])
	}
	return all, nil
}

// gates are those of a group with a policy.
func gates(g *registryv1.Group) *fleetv1.Gates {
	if g.GetPolicy().GetGates() == nil {
		g.Policy.Gates = &fleetv1.Gates{}
	}
	return g.GetPolicy().GetGates()
}

// parseWaves reads waves: 1 is a number of nodes, 10% a share, and :30s after either is how long it is watched.
func parseWaves(texts []string) ([]*fleetv1.RolloutPolicy_Wave, error) {
	var waves []*fleetv1.RolloutPolicy_Wave
	for _, text := range texts {
		size, soak, soaks := strings.Cut(strings.TrimSpace(text), ":")
		wave := &fleetv1.RolloutPolicy_Wave{}
		number, isShare := strings.CutSuffix(size, "%")
		n, err := strconv.ParseInt(number, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("--waves %q: want a number of nodes or a share, such as 1 or 10%%, with a soak if wanted, such as 10%%:30s", text)
		}
		if isShare {
			wave.Size = &fleetv1.RolloutPolicy_Wave_Percent{Percent: int32(n)}
		} else {
			wave.Size = &fleetv1.RolloutPolicy_Wave_Nodes{Nodes: int32(n)}
		}
		if soaks {
			d, err := time.ParseDuration(soak)
			if err != nil {
				return nil, fmt.Errorf("--waves %q: %q is not a duration such as 30s", text, soak)
			}
			wave.Soak = durationpb.New(d)
		}
		waves = append(waves, wave)
	}
	return waves, nil
}

// CreateGroup is the command that makes a group.
func CreateGroup(a *app.App) *cobra.Command {
	var f groupFlags
	cmd := &cobra.Command{
		Use:   "group NAME",
		Short: "Create a group of gateways",
		Long: `Creates a group of gateways. Without flags a rollout moves one gateway and then all. A wave may take 10 minutes, and none of
its gateways may fail to load. Below 20 gateways all may load at once, else a quarter of them. Agents heal drift.
silverback describe group shows the policy. Creating the same group again is no error.`,
		Example: "  silverback create group edge --waves 1,10%:30s,100% --description 'public gateways'",
		Args:    app.Args("the name of one group"),
		RunE: func(cmd *cobra.Command, args []string) error {
			g := &registryv1.Group{Name: args[0]}
			if err := f.put(cmd, g); err != nil {
				return err
			}
			ctx, cancel := a.Call(cmd.Context())
			defer cancel()
			answer, err := a.Registry().CreateGroup(ctx, &registryv1.CreateGroupRequest{Group: g, RequestId: uuid.NewString()})
			if err != nil {
				return err
			}
			if a.Flags.Output != show.Table {
				return show.Message(a.Out, a.Flags.Output, answer)
			}
			show.Printf(a.Out, "group %q created: waves %s\n", g.GetName(), waves(answer.GetGroup().GetPolicy()))
			return nil
		},
	}
	f.add(cmd)
	return cmd
}

// UpdateGroup is the command that changes what an operator may change of a group.
func UpdateGroup(a *app.App) *cobra.Command {
	var f groupFlags
	cmd := &cobra.Command{
		Use:   "group NAME",
		Short: "Change the policy of a group; flags that are not given stay as they are",
		Example: `  silverback update group default --waves 1,100% --drift report
  silverback update group default --probe /health,expect=200,readiness --probe /orders,host=shop.example`,
		Args: app.Args("the name of one group"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !f.given(cmd) {
				return errors.New("nothing to change: say what with a flag, such as --waves; silverback update group --help lists them")
			}
			registry := a.Registry()
			ctx, cancel := a.Call(cmd.Context())
			defer cancel()
			for {
				current, err := registry.GetGroup(ctx, &registryv1.GetGroupRequest{Name: args[0]})
				if err != nil {
					return err
				}
				g := current.GetGroup()
				if err := f.put(cmd, g); err != nil {
					return err
				}
				answer, err := registry.UpdateGroup(ctx, &registryv1.UpdateGroupRequest{Group: g, RequestId: uuid.NewString()})
				if status.Code(err) == codes.Aborted {
					continue // somebody else changed the group in between: put our change on theirs
				}
				if err != nil {
					return err
				}
				if a.Flags.Output != show.Table {
					return show.Message(a.Out, a.Flags.Output, answer)
				}
				show.Printf(a.Out, "group %q updated: waves %s\n", g.GetName(), waves(answer.GetGroup().GetPolicy()))
				return nil
			}
		},
	}
	f.add(cmd)
	return cmd
}

// DeleteNode is the command that forgets a node.
func DeleteNode(a *app.App) *cobra.Command {
	var group string
	var confirm app.Confirmation
	var keep bool
	cmd := &cobra.Command{
		Use:   "node NAME -g GROUP",
		Short: "Forget a node, and revoke its certificates",
		Long: `Deletes a node, disconnects its agent, and revokes its certificates as silverback revoke node does. Without the revocation
a running agent would enrol again at once. The gateway keeps serving its configuration.

To bring the node back under the same name, give its agent a certificate issued after the time that the command prints, or
undo the revocation with silverback unrevoke node. A node whose agent deregistered is deleted by itself. Nothing is revoked
with --keep-certificates, and where services do not authenticate callers.`,
		Args: app.Args("the name of one node"),
		RunE: func(cmd *cobra.Command, args []string) error {
			registry := a.Registry()
			ctx, cancel := a.Call(cmd.Context())
			defer cancel()
			if _, err := registry.GetNode(ctx, &registryv1.GetNodeRequest{Group: group, Node: args[0]}); err != nil {
				return err
			}
			what := fmt.Sprintf("forget node %q of group %q and revoke its certificates", args[0], group)
			if keep {
				what = fmt.Sprintf("forget node %q of group %q, which enrols again if its agent still runs", args[0], group)
			}
			if on, err := confirm.Ask(a, what); err != nil || !on {
				return err
			}
			ctx, cancelCall := a.Call(cmd.Context())
			defer cancelCall()
			answer, err := registry.DeleteNode(ctx, &registryv1.DeleteNodeRequest{Group: group, Node: args[0], KeepCertificates: keep,
				RequestId: uuid.NewString()})
			if err != nil {
				return err
			}
			if a.Flags.Output != show.Table {
				return show.Message(a.Out, a.Flags.Output, answer)
			}
			show.Printf(a.Out, "node %q of group %q forgotten\n", args[0], group)
			if r := answer.GetRevocation(); r != nil {
				show.Printf(a.Out, "%s\n", keptOut(r))
			} else if !keep {
				show.Printf(a.Err, "note: this fleet does not tell callers apart; an agent that still runs enrols again\n")
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&group, "group", "g", "", "the group of the node")
	confirm.AddFlags(cmd)
	cmd.Flags().BoolVar(&keep, "keep-certificates", false, "only forget the node: an agent that still runs, or comes back, enrols again")
	app.MustMark(cmd, "group")
	return cmd
}
