// Package export writes the registry's roster in the formats of the tools around a fleet: targets for Prometheus, and servers for load
// balancers. When the registry does not answer, or suddenly has no nodes, a file keeps its nodes.
package export

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/kit/fleet"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// filePattern matches paths that HAProxy reads as one word.
var filePattern = regexp.MustCompile(`^[-A-Za-z0-9_./]*$`)

// options are what the commands have in common.
type options struct {
	group string
	out   string
	watch bool
}

// render returns the text of a file for the members of a group, or of all when it is empty. It is pure.
type render func(group string, members []member) []byte

// Command is the parent of the exports.
func Command(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "export", Short: "Write the fleet in the format of Prometheus, HAProxy or nginx", RunE: app.RequireSubcommand,
		Long: `Writes who is in the fleet, from the registry's roster, for the tools around
it.

With --out the file is replaced at once and only when it would change, so that
whatever reads it may reload at every change of the file. With --watch it
follows the roster until it is interrupted. A registry that does not answer
changes nothing, and neither does one that suddenly knows no node at all.`,
	}
	cmd.AddCommand(prometheusSD(a), haproxy(a), nginx(a))
	return cmd
}

func prometheusSD(a *app.App) *cobra.Command {
	var scheme string
	return subcommand(a, &cobra.Command{
		Use: "prometheus-sd", Short: "Write the agents as targets for Prometheus's file_sd_configs",
		Long: `Writes every agent but those that said goodbye as a target, with the labels
group and node. The labels of a node stand as __meta_silverback_label_NAME,
for relabelling.`,
		Example: "  silverback export prometheus-sd --watch --out /etc/prometheus/silverback/agents.json",
		PreRunE: func(*cobra.Command, []string) error {
			if scheme != "http" && scheme != "https" {
				return fmt.Errorf("--scheme %q: choose http or https", scheme)
			}
			return nil
		},
	}, func(cmd *cobra.Command) {
		cmd.Flags().StringVar(&scheme, "scheme", "http", "how agents are scraped: http, or https where they have --http-cert-file")
	}, func(_ string, members []member) []byte { return renderPrometheus(members, scheme) })
}

func haproxy(a *app.App) *cobra.Command {
	var s servers
	return subcommand(a, &cobra.Command{
		Use: "haproxy", Short: "Write a backend for HAProxy, with health checks on the agents' /readyz",
		Long: `Writes a backend for each group with every gateway but those whose agents said
goodbye. HAProxy asks each agent's /readyz, which also says no for a gateway
that drains.

A drained gateway has a weight of 0. A gateway whose agent reports that it
cannot serve is disabled as long as another one of its group is ready. A
gateway that the registry does not hear from is left to the check. So is one
in quarantine, which keeps serving.

With --persistence cookie a gateway that drains keeps the clients that have
its cookie (HAProxy 2.2 or newer).`,
		PreRunE: func(*cobra.Command, []string) error {
			if !filePattern.MatchString(s.checkCA) {
				return fmt.Errorf("--check-ca-file %q: it is written into HAProxy's file, so use letters, digits, and / . _ - only", s.checkCA)
			}
			return s.check()
		},
		Example: `  silverback export haproxy -g default --watch --out /etc/haproxy/silverback.cfg
  silverback export haproxy -g default --persistence cookie`,
	}, func(cmd *cobra.Command) {
		cmd.Flags().StringVar(&s.checkCA, "check-ca-file", "", "ask /readyz over TLS, and trust this file on HAProxy's machine; where agents "+
			"have --http-cert-file")
		s.add(cmd)
	}, s.haproxy)
}

func nginx(a *app.App) *cobra.Command {
	var s servers
	return subcommand(a, &cobra.Command{
		Use: "nginx", Short: "Write an upstream for nginx with the gateways that are ready",
		Long: `Writes an upstream for each group. Gateways that drain, or that are not ready
as the registry knows them, are down: nginx has no active health checks of its
own, so run it with --watch and reload nginx when the file changes. When no
gateway of a group is ready, all that once served are up: better a server that
may fail than none. One in quarantine keeps serving.

With --persistence cookie the file has a variable for the cookie, and a
comment with the line that sends it.`,
		Example: `  silverback export nginx -g default --watch --out /etc/nginx/conf.d/silverback.conf
  silverback export nginx -g default --persistence source`,
		PreRunE: func(*cobra.Command, []string) error { return s.check() },
	}, s.add, s.nginx)
}

// subcommand adds the flags and the work that all exports share to a command.
func subcommand(a *app.App, cmd *cobra.Command, flags func(*cobra.Command), text render) *cobra.Command {
	var o options
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.group != "" {
			if err := fleet.ValidName("group", o.group); err != nil {
				return fmt.Errorf("--group: %w", err)
			}
		}
		if o.watch {
			if o.out == "" {
				return errors.New("--watch rewrites a file; name it with --out")
			}
			return watch(cmd.Context(), a, o, text)
		}
		return once(cmd.Context(), a, o, text)
	}
	cmd.Flags().StringVarP(&o.group, "group", "g", "", "only this group; empty is all")
	cmd.Flags().StringVar(&o.out, "out", "", "file to write; empty is standard output")
	cmd.Flags().BoolVar(&o.watch, "watch", false, "watch the roster and rewrite the file at every change")
	if flags != nil {
		flags(cmd)
	}
	return cmd
}

// once reads the roster and writes it.
func once(ctx context.Context, a *app.App, o options, text render) error {
	ctx, cancel := a.Call(ctx)
	defer cancel()
	var nodes []*registryv1.Node
	for token := ""; ; {
		page, err := a.Registry().ListNodes(ctx, &registryv1.ListNodesRequest{Group: o.group, PageSize: pageSize, PageToken: token})
		if err != nil {
			return err
		}
		nodes = append(nodes, page.GetNodes()...)
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if len(nodes) == 0 {
		if err := a.CheckGroup(ctx, o.group); err != nil {
			return err
		}
	}
	return put(a, o, nodes, text)
}

const pageSize = 1000

// put writes a roster where it belongs.
func put(a *app.App, o options, nodes []*registryv1.Node, text render) error {
	members, problems := membersOf(nodes)
	for _, p := range problems {
		fmt.Fprintln(a.Err, "left out:", p)
	}
	if o.out == "" {
		if _, err := a.Out.Write(text(o.group, members)); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		return nil
	}
	if len(members) == 0 && exists(o.out) {
		fmt.Fprintf(a.Err, "the roster has no node; %s is unchanged (delete it if the fleet is empty)\n", o.out)
		return nil
	}
	changed, err := replace(o.out, text(o.group, members))
	if err != nil {
		return err
	}
	if changed {
		fmt.Fprintf(a.Err, "%s: %d nodes\n", o.out, len(members))
	}
	return nil
}
