// Package certs is the command that makes a small authority and certificates for labs.
package certs

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/identity"
)

// Command is the command.
func Command(a *app.App) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "certs --dir FOLDER [--service NAME=HOST,...]... [--node GROUP/NODE]... [--user NAME=ROLE]... [--etcd HOST,...]",
		Short: "Make a small authority and certificates for a lab",
		Long: `Creates an authority and a certificate for each identity, for labs. A
production fleet has its own authority.

It writes ca.crt, ca.key, and a certificate and a key for each identity:
service-registry.crt, node-default-kong-1.crt, user-ann.crt and the .key
beside it. With --etcd it also creates a second authority, etcd-ca.crt and
etcd-ca.key, and signs etcd-member.crt, etcd-client-root.crt and one such as
etcd-client-registry.crt for each service with it: etcd must not trust an
authority that signs certificates of gateways and users.

Run again, it keeps certificates that are still valid. It renews those in the
last third of their lifetime, and those whose identity or hosts changed.`,
		Example: `  silverback certs --dir certs --service registry=registry-1,localhost --service translator=translator-1 \
    --service distributor=distributor-1 --node default/kong-1 --user ann=admin --etcd etcd-1,127.0.0.1`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			wanted, err := o.parse()
			if err != nil {
				return err
			}
			made, err := issue(o.dir, wanted, o.life(), a.Now())
			if err != nil {
				return err
			}
			return report(a.Out, a.Flags.Output, made)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.dir, "dir", "", "folder for the files; created if missing")
	flags.StringVar(&o.trustDomain, "trust-domain", identity.DefaultTrustDomain, "trust domain of the identities, spiffe://<trust domain>/...")
	flags.StringArrayVar(&o.services, "service", nil, "a service and the hosts that its replicas answer at: registry=registry-1,registry-2")
	flags.StringArrayVar(&o.nodes, "node", nil, "a node, for its agent: GROUP/NODE; agent HTTP listeners with TLS add hosts: "+
		"GROUP/NODE=HOST,...")
	flags.StringArrayVar(&o.users, "user", nil, "a user and its role, viewer, submitter, operator or admin: ann=admin")
	flags.StringArrayVar(&o.servers, "server", nil, "another server without an identity, such as a web server: web=web-1,127.0.0.1")
	flags.StringSliceVar(&o.etcd, "etcd", nil, "hosts of etcd's members; makes an authority of its own for etcd, and the services' "+
		"certificates for it")
	flags.IntVar(&o.days, "days", 365, "how long certificates are valid")
	flags.IntVar(&o.caDays, "ca-days", 3650, "how long the authority is valid")
	app.MustMark(cmd, "dir")
	return cmd
}

// made is one line of the result.
type made struct {
	File    string    `json:"file"`
	URI     string    `json:"uri,omitempty"`
	Hosts   []string  `json:"hosts,omitempty"`
	Expires time.Time `json:"expires"`
	Made    bool      `json:"made"` // false: the existing one is still valid
}

func report(w io.Writer, format show.Format, rows []made) error {
	if format != show.Table {
		enc := json.NewEncoder(w) // JSON is YAML too
		enc.SetIndent("", "  ")
		return enc.Encode(map[string]any{"certificates": rows})
	}
	grid := show.Grid{Header: []string{"FILE", "IDENTITY", "EXPIRES", ""}}
	for _, r := range rows {
		what := "kept"
		if r.Made {
			what = "made"
		}
		grid.Add(r.File, r.URI, r.Expires.UTC().Format(time.DateOnly), what)
	}
	if err := grid.Write(w); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
