package imports

import (
	"context"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// Kong returns the command that imports the configuration of a Kong outside of the fleet.
func Kong(a *app.App) *cobra.Command {
	var (
		t importer
		k endpoint
	)
	cmd := &cobra.Command{
		Use:   "kong --admin URL -g GROUP [-s SOURCE]",
		Short: "Create a source from a running Kong, with or without a database",
		Long: `Reads the configuration of a Kong from its Admin API and submits it as a new
source of the group. Nothing is written to that Kong. Without a database the
command reads GET /config. With one it reads one kind of entity after the
other, so nobody should change Kong meanwhile. The path of a workspace may
follow the address. Names, ids, settings and credentials are kept; passwords
stay hashes. Anything that cannot be imported is reported by line and object.
--save writes what was read to a file, to be corrected and then imported with
"import file".

A token for the Admin API comes from a file (--admin-header-file, lines such
as "Kong-Admin-Token: ...") or from the environment (SILVERBACK_ADMIN_TOKEN,
sent as Kong-Admin-Token), never from the command line.

Exit codes: 0 done; 1 error; 2 an invalid configuration, or with --wait not
served by every online gateway.`,
		Example: `  silverback import kong --admin http://127.0.0.1:8001 -g edge --dry-run
  silverback import kong --admin https://kong.internal:8444/team-a --admin-ca-file ca.pem \
    --admin-header-file token.txt -g edge -s team-a --wait`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			k.timeout = a.Flags.Timeout
			k.token = adminToken(a)
			if err := k.open(); err != nil {
				return err
			}
			err := t.run(cmd.Context(), a, k.host(), func(ctx context.Context) ([]*translatorv1.Document, error) {
				text, form, err := k.read(ctx, func(format string, args ...any) { fmt.Fprintf(a.Err, format+"\n", args...) })
				if err != nil {
					return nil, err
				}
				t.served = k.served
				if k.save != "" {
					if err := saveSecret(k.save, text); err != nil {
						return nil, err
					}
					fmt.Fprintf(a.Err, "%s holds the configuration that was read, including secrets\n", k.save)
				}
				name := k.save
				if name == "" {
					name = k.host() + form
				}
				return []*translatorv1.Document{{Name: name, Content: text}}, nil
			})
			if app.Reason(err) == "INVALID_CONFIG" && k.save == "" {
				fmt.Fprintln(a.Err, "the line numbers below refer to the configuration that was read; --save FILE writes it, "+
					"to be corrected and imported with import file")
			}
			return err
		},
	}
	t.addFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&k.address, "admin", "", "the URL of Kong's Admin API, such as http://127.0.0.1:8001")
	k.addAdminFlags(f)
	f.StringVar(&k.save, "save", "", "also write the configuration to this file, which must not exist")
	app.MustMark(cmd, "admin")
	return cmd
}

// adminToken returns the Admin API token from the environment.
func adminToken(a *app.App) string {
	token, _ := a.LookupEnv("SILVERBACK_ADMIN_TOKEN")
	return token
}

// host returns the name of a Kong in messages: its address without parts that may be secret.
func (k *endpoint) host() string {
	if k.url == nil {
		return "kong"
	}
	shown := url.URL{Host: k.url.Host}
	return shown.Host
}
