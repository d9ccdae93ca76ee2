package resource

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/fleet"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// groupFlags are the flags that set fields of a group.
type groupFlags struct {
	flags *pflag.FlagSet
	puts  []groupFlag
}

// A groupFlag writes the value of one flag into a group.
type groupFlag struct {
	name string
	put  func(*registryv1.Group) error
}

// field adds a flag. define is the method of the flag set for the type of its value. put is called when the flag is given.
func field[T any](f *groupFlags, define func(name string, value T, usage string) *T, name, usage string,
	put func(g *registryv1.Group, value T) error,
) {
	var zero T
	value := define(name, zero, usage)
	f.puts = append(f.puts, groupFlag{name, func(g *registryv1.Group) error { return put(g, *value) }})
}

// add defines every flag of a group. There is no other list of them.
func (f *groupFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	f.flags = flags
	field(f, flags.String, "description", "a sentence for people", func(g *registryv1.Group, text string) error {
		g.Description = text
		return nil
	})
	field(f, flags.StringSlice, "waves", "the waves of a rollout: numbers of nodes, shares or labels, each with a soak if wanted, as in "+
		"1,10%:30s,100% or zone=eu-1:5m,100%", func(g *registryv1.Group, texts []string) (err error) {
		g.Policy.Waves, err = parseWaves(texts)
		return err
	})
	field(f, flags.Int32, "max-loading", "the share of the group, in percent, that may load at once",
		func(g *registryv1.Group, n int32) error {
			g.Policy.MaxLoadingPercent = n
			return nil
		})
	field(f, flags.String, "load-interval", "the least time between the loads of two rollouts, such as 30s; none; or auto, which is none "+
		"while a load takes less than a second and else leaves nine tenths of the time without loads",
		func(g *registryv1.Group, text string) (err error) {
			g.Policy.LoadInterval, err = parseLoadInterval(text)
			return err
		})
	field(f, flags.String, "targets-at-once", "up to which share of the group's targets may move at once: a revision that changes nothing "+
		"but targets goes to all gateways in one wave without a soak, also outside of change windows; such as 20%, or none",
		func(g *registryv1.Group, text string) (err error) {
			g.Policy.TargetsAtOncePercent, err = parseTargetsAtOnce(text)
			return err
		})
	field(f, flags.Duration, "deadline", "how long a wave may take before the rollout halts",
		func(g *registryv1.Group, d time.Duration) error {
			g.Policy.Deadline = durationpb.New(d)
			return nil
		})
	field(f, flags.Int32, "max-failed", "the share of a wave, in percent, that may fail to load, or never answer",
		func(g *registryv1.Group, n int32) error {
			gates(g).MaxFailedPercent = n
			return nil
		})
	field(f, flags.String, "drift", "what agents do about drift: heal or report", func(g *registryv1.Group, word string) error {
		value, ok := fleetv1.DriftPolicy_value["DRIFT_POLICY_"+strings.ToUpper(word)]
		if !ok {
			return fmt.Errorf("--drift %q: choose heal or report", word)
		}
		g.Drift = fleetv1.DriftPolicy(value)
		return nil
	})
	field(f, flags.StringArray, "probe", "a request that every agent sends through its gateway all the time, as in "+
		"/health,expect=200,host=shop.example,interval=5s,timeout=2s,header=X-Probe:1,readiness; "+
		"with readiness a failing one takes the node out of load balancing; several times, in place of all that were there",
		func(g *registryv1.Group, texts []string) (err error) {
			if none, _ := flags.GetBool("no-probes"); none {
				return errors.New("--probe and --no-probes: give one of them")
			}
			gates(g).Probes, err = parseProbes(texts)
			return err
		})
	field(f, flags.Bool, "no-probes", "remove all probes", func(g *registryv1.Group, none bool) error {
		if none {
			gates(g).Probes = nil
		}
		return nil
	})
	f.addGates(flags)
	f.addSpread(flags)
	f.addRetention(flags)
	field(f, flags.StringSlice, "trust-schemas", "digests of bundles of schemas that may refuse a submission however few nodes "+
		"name them, in place of all that were there; "+
		"the first digits are enough for one that the group has; an empty value takes all away",
		func(g *registryv1.Group, words []string) (err error) {
			g.TrustedSchemas, err = trustedSchemas(words, g.GetSchemaDigests())
			return err
		})
}

// given reports whether any flag was given.
func (f *groupFlags) given() bool {
	return slices.ContainsFunc(f.puts, func(flag groupFlag) bool { return f.flags.Changed(flag.name) })
}

// changed lists the flags that were given and their values.
func (f *groupFlags) changed() string {
	var all []string
	for _, flag := range f.puts {
		if !f.flags.Changed(flag.name) {
			continue
		}
		value := f.flags.Lookup(flag.name).Value
		text := value.String()
		if list, ok := value.(pflag.SliceValue); ok {
			text = strings.Join(list.GetSlice(), ", ")
		}
		all = append(all, strings.TrimSpace(flag.name+" "+text))
	}
	return strings.Join(all, "; ")
}

// put writes the given flags into a group, and keeps the rest.
func (f *groupFlags) put(g *registryv1.Group) error {
	if g.Policy == nil {
		g.Policy = &fleetv1.RolloutPolicy{}
	}
	var problems []error
	for _, flag := range f.puts {
		if f.flags.Changed(flag.name) {
			problems = append(problems, flag.put(g))
		}
	}
	return errors.Join(problems...)
}

// trustedSchemas completes abbreviated digests from those of a group.
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

// parseWaves parses waves: 1 is a number of nodes, 10% a share, zone=eu-1 a label. :30s after a wave is how long it is watched.
func parseWaves(texts []string) ([]*fleetv1.RolloutPolicy_Wave, error) {
	var waves []*fleetv1.RolloutPolicy_Wave
	for _, text := range texts {
		wave := &fleetv1.RolloutPolicy_Wave{}
		if strings.Contains(text, "=") {
			waves = append(waves, labelWave(wave, strings.TrimSpace(text)))
			continue
		}
		size, soak, soaks := strings.Cut(strings.TrimSpace(text), ":")
		number, isShare := strings.CutSuffix(size, "%")
		n, err := strconv.ParseInt(number, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("--waves %q: want a number of nodes, a share or a label, such as 1, 10%% or zone=eu-1, with a soak if "+
				"wanted, such as 10%%:30s", text)
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

// parseLoadInterval reads a load interval; nil means the default.
func parseLoadInterval(text string) (*durationpb.Duration, error) {
	switch text {
	case "auto":
		return nil, nil
	case "none":
		return durationpb.New(0), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return nil, fmt.Errorf("--load-interval %q: want auto, none or a duration such as 30s", text)
	}
	return durationpb.New(d), nil
}

// parseTargetsAtOnce reads a share of targets; none is 0.
func parseTargetsAtOnce(text string) (int32, error) {
	if text == "none" {
		return 0, nil
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(text, "%"), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("--targets-at-once %q: want a share such as 20%%, or none", text)
	}
	return int32(n), nil
}

// targetsAtOnce is the inverse of parseTargetsAtOnce, for people.
func targetsAtOnce(percent int32) string {
	if percent == 0 {
		return "none: they have waves as everything else"
	}
	return fmt.Sprintf("up to %d%% in one wave, when nothing else changes", percent)
}

// loadInterval is the inverse of parseLoadInterval, for people.
func loadInterval(d *durationpb.Duration) string {
	switch {
	case d == nil:
		return "auto: none while a load takes less than 1s, else 9 times as long as a load"
	case d.AsDuration() == 0:
		return "none"
	}
	return show.Span(d) + " between the loads of two rollouts"
}

// labelWave parses zone=eu-1 or zone=eu-1:30s. A suffix that is not a duration belongs to the value.
func labelWave(wave *fleetv1.RolloutPolicy_Wave, text string) *fleetv1.RolloutPolicy_Wave {
	if at := strings.LastIndexByte(text, ':'); at >= 0 {
		if d, err := time.ParseDuration(text[at+1:]); err == nil {
			wave.Soak, text = durationpb.New(d), text[:at]
		}
	}
	wave.Size = &fleetv1.RolloutPolicy_Wave_Label{Label: text}
	return wave
}

// CreateGroup returns the command that creates a group.
func CreateGroup(a *app.App) *cobra.Command {
	var f groupFlags
	cmd := &cobra.Command{
		Use:   "group NAME",
		Short: "Create a group of gateways",
		Long: `Creates a group of gateways. Without flags a rollout moves one gateway and
then all. A wave may take 10 minutes, and none of its gateways may fail to
load. Below 20 gateways all may load at once, else a quarter of them. Agents
heal drift.
silverback describe group shows the policy. Creating the same group again is no error.`,
		Example: "  silverback create group edge --waves 1,10%:30s,100% --description 'public gateways'",
		Args:    app.Args("the name of one group"),
		RunE: func(cmd *cobra.Command, args []string) error {
			g := &registryv1.Group{Name: args[0]}
			if err := f.put(g); err != nil {
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
			noteSignals(ctx, a, answer.GetGroup())
			noteLabels(ctx, a, answer.GetGroup())
			return nil
		},
	}
	f.add(cmd)
	return cmd
}

// UpdateGroup returns the command that changes a group.
func UpdateGroup(a *app.App) *cobra.Command {
	var f groupFlags
	cmd := &cobra.Command{
		Use:   "group NAME",
		Short: "Change the policy of a group; flags that are not given stay as they are",
		Example: `  silverback update group default --waves 1,100% --drift report
  silverback update group default --probe /health,expect=200,readiness --probe /orders,host=shop.example`,
		Args: app.Args("the name of one group"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !f.given() {
				return errors.New("nothing to change: give a flag, such as --waves; silverback update group --help lists them")
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
				if err := f.put(g); err != nil {
					return err
				}
				answer, err := registry.UpdateGroup(ctx, &registryv1.UpdateGroupRequest{Group: g, RequestId: uuid.NewString()})
				if status.Code(err) == codes.Aborted {
					continue // the group was changed in between: apply this change to it
				}
				if err != nil {
					return err
				}
				if a.Flags.Output != show.Table {
					return show.Message(a.Out, a.Flags.Output, answer)
				}
				a.Line(2, "group %q updated: %s", g.GetName(), f.changed())
				noteSignals(ctx, a, answer.GetGroup())
				noteLabels(ctx, a, answer.GetGroup())
				return nil
			}
		},
	}
	f.add(cmd)
	return cmd
}

// DeleteNode returns the command that deletes a node.
func DeleteNode(a *app.App) *cobra.Command {
	var group string
	var confirm app.Confirmation
	var keep bool
	cmd := &cobra.Command{
		Use:   "node NAME -g GROUP",
		Short: "Forget a node, and revoke its certificates",
		Long: `Deletes a node, disconnects its agent, and revokes its certificates as
silverback revoke node does. Without the revocation a running agent would
enrol again at once. The gateway keeps serving its configuration.

To bring the node back under the same name, give its agent a certificate
issued after the time that the command prints, or undo the revocation with
silverback unrevoke node. A node whose agent deregistered is deleted by
itself. Nothing is revoked with --keep-certificates, and where services do not
authenticate callers.`,
		Args: app.Args("the name of one node"),
		RunE: func(cmd *cobra.Command, args []string) error {
			registry := a.Registry()
			ctx, cancel := a.Call(cmd.Context())
			defer cancel()
			if _, err := registry.GetNode(ctx, &registryv1.GetNodeRequest{Group: group, Node: args[0]}); err != nil {
				return err
			}
			if on, err := confirm.Ask(a, forgets(a, args[0], group, keep)); err != nil || !on {
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
				show.Printf(a.Err, "note: nothing was revoked, for services do not authenticate callers; an agent that still runs enrols again\n")
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

// forgets describes the deletion of a node. A service that accepts calls without a certificate revokes none.
func forgets(a *app.App, node, group string, keep bool) string {
	if keep || a.Flags.TLS.CertFile == "" {
		return fmt.Sprintf("forget node %q of group %q, which enrols again if its agent still runs", node, group)
	}
	return fmt.Sprintf("forget node %q of group %q and revoke its certificates", node, group)
}
