// Package advise says what an upgrade of Kong would bring: what a configuration would be refused for, or would mean otherwise, by the
// schemas that agents have brought; and which published fixes and ends of support concern the gateways of the fleet. It changes nothing.
package advise

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/kong/releases"
)

// request is what was asked.
type request struct {
	kong    string
	cve     bool
	group   string
	files   []string
	version releases.Version // of kong
}

// Command returns the command.
func Command(a *app.App) *cobra.Command {
	var q request
	cmd := &cobra.Command{
		Use:   "advise --kong VERSION [-g GROUP] [-f FILE|FOLDER|-...] | --cve",
		Short: "Say what another version of Kong would refuse or read otherwise, and which fixes are missing",
		Long: `With -g or -f: says which entities, plugins and fields of a group's
configuration, or of files, a gateway of that version would refuse, and which
would mean something else to it. It uses the schemas that agents of such
gateways have brought: one gateway of the new version anywhere in the fleet is
enough, best in a group of its own. With both, the files are compared with what
the gateways of the group make of them now. Schemas tell fields, types and
defaults; what Kong does with a value they do not tell.

Without -g and -f: compares the versions of all gateways with that version, by
a table of published fixes and ends of support. --cve says what the gateways
lack now; -g limits it to a group. The table is part of this program, and says
of which day it is. "no fix on record" means that Kong's changelogs name no
release of that line with the fix, and not that the line is affected.

VERSION is a release, such as 3.10.0.14, or a line, such as 3.10.

Exit codes: 0 nothing found; 1 error, or nothing is known of that version;
2 something would be refused or mean something else, a fix is missing, or the
support is over.`,
		Example: `  silverback advise --kong 3.10 -g default
  silverback advise --kong 3.10 -g default -f team-a/
  silverback advise --kong 3.10
  silverback advise --cve -o json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			q.files = append(q.files, args...) // as in -f a.yaml b.yaml
			switch {
			case q.cve == (q.kong != ""):
				return errors.New("give either --kong VERSION or --cve")
			case q.cve && len(q.files) > 0:
				return errors.New("--cve is about gateways: give it without files")
			case q.cve:
				return q.fixes(cmd.Context(), a)
			}
			var ok bool
			if q.version, ok = releases.Parse(q.kong); !ok {
				return fmt.Errorf("--kong %q: give a release of Kong, such as 3.9.3 or 3.10.0.14, or a line, such as 3.10", q.kong)
			}
			if len(q.files) > 0 || q.group != "" {
				return q.content(cmd.Context(), a)
			}
			return q.upgrade(cmd.Context(), a)
		},
	}
	cmd.Flags().StringVar(&q.kong, "kong", "", "the version of Kong to judge by: a release or a line")
	cmd.Flags().BoolVar(&q.cve, "cve", false, "which published fixes the gateways of the fleet lack")
	cmd.Flags().StringVarP(&q.group, "group", "g", "", "the group whose configuration is judged; with --cve, only its gateways")
	cmd.Flags().StringArrayVarP(&q.files, "file", "f", nil, "a file or folder that is judged instead of the group's configuration, or - for "+
		"standard input; once for each")
	return cmd
}
