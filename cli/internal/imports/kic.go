package imports

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/kubernetes"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kong/parity"
)

// controller is the name of Kong Ingress Controller in messages.
const controller = "Kong Ingress Controller"

// move is a comparison of a cluster's current configuration with the result of a migration.
type move struct {
	dumpAddress string // or a file
	dump, admin endpoint
	settings    kubernetes.Settings
	summary     bool
}

// KIC returns the command that compares Kong Ingress Controller's configuration of a cluster with the translation of its manifests.
func KIC(a *app.App) *cobra.Command {
	m := &move{dump: endpoint{flag: "dump", who: controller}}
	cmd := &cobra.Command{
		Use:   "kic --dump URL|FILE | --admin URL  FILE|FOLDER|-...",
		Short: "Show what would differ after a migration from Kong Ingress Controller",
		Long: `Compares the configuration that Kong Ingress Controller made of a cluster with
the translation of the cluster's manifests, entity by entity, and asks no
service of Silverback. Nothing is changed anywhere.

The controller's side is what its diagnostics server says (--dump with its
address, when it runs with --dump-config), a file of that, or what a gateway
without a database says that it serves (--admin). With both, the gateway's
schemas tell which settings of plugins are defaults.

Left out is what does not matter: the order of sets, Kong's defaults, ids that
one side has not. Secrets that the controller hides in its dumps are counted as
unknown; with --dump-sensitive-config it hides none. They are never printed.

Exit codes: 0 no difference; 1 error; 2 a difference.`,
		Example: `  kubectl port-forward -n kong deploy/kong-controller 10256 &
  kubectl get ingress,httproute,service,endpointslice,secret,kongplugin -A -o yaml > cluster.yaml
  silverback import kic --dump http://127.0.0.1:10256 cluster.yaml
  silverback import kic --admin http://127.0.0.1:8001 --summary cluster.yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			m.dump.timeout, m.admin.timeout, m.admin.token = a.Flags.Timeout, a.Flags.Timeout, adminToken(a)
			return m.run(cmd.Context(), a, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&m.dumpAddress, "dump", "", "the URL of the controller's diagnostics server, such as http://127.0.0.1:10256, or a file "+
		"with its response")
	f.StringVar(&m.admin.address, "admin", "", "the URL of a gateway's Admin API, such as http://127.0.0.1:8001")
	f.BoolVar(&m.summary, "summary", false, "print only counts, for each object")
	m.settings.AddFlag(f)
	m.admin.addAdminFlags(f)
	f.StringVar(&m.dump.files.CA, "dump-ca-file", "", "PEM file of the authority that signs the diagnostics server's certificate; without it "+
		"those of this machine")
	f.StringVar(&m.dump.files.Cert, "dump-cert-file", "", "PEM file of a certificate for the diagnostics server")
	f.StringVar(&m.dump.files.Key, "dump-key-file", "", "PEM file of its key")
	f.StringVar(&m.dump.headerFile, "dump-header-file", "", "file of headers for the diagnostics server, one a line")
	return cmd
}

func (m *move) run(ctx context.Context, a *app.App, args []string) error {
	if m.dumpAddress == "" && m.admin.address == "" {
		return errors.New("give --dump, --admin, or both")
	}
	theirs, err := m.theirs(ctx, a)
	if err != nil {
		return err
	}
	settings := m.settings
	if theirs.config.Expressions() && !settings.Has("router-flavor") {
		settings = append(settings, "router-flavor=expressions")
	}
	translation, err := kubernetes.Translate(ctx, a.In, args, settings)
	if err != nil {
		return err
	}
	for _, line := range translation.Problems {
		fmt.Fprintf(a.Err, "warning: %s\n", show.Clean(line))
	}
	ours, err := parity.Read(translation.Document.GetName()+".json", translation.Document.GetContent())
	if err != nil {
		return fmt.Errorf("translate the manifests: %w", err)
	}
	report, err := parity.Compare(theirs.config, ours, theirs.schemas)
	if err != nil {
		return err
	}
	if err := printParity(a, theirs, report, m.summary); err != nil {
		return err
	}
	if report.Differs() {
		return &app.Exit{Code: app.ExitDifference}
	}
	if a.Flags.Output == show.Table {
		fmt.Fprintf(a.Out, "next: %s\n", show.Clean(nextStep(settings, args)))
	}
	return nil
}

// nextStep returns the command that submits the compared manifests.
func nextStep(settings kubernetes.Settings, args []string) string {
	words := []string{"silverback apply --from kubernetes"}
	for _, s := range settings {
		words = append(words, "--kubernetes-setting "+s)
	}
	return strings.Join(append(append(words, "-g GROUP --wait"), args...), " ")
}
