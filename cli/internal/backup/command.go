// Package backup is the commands that copy the ledger out of etcd into a file, and look into such files. They speak to etcd, not to the
// services: a backup is needed most when these are dead.
package backup

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/backup"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
)

// outputFlag is the file of a backup. It has the name of the flag that chooses a format in every other command.
const outputFlag = "output"

// Command is the backup of a ledger, and what looks into one.
func Command(a *app.App, version string) *cobra.Command {
	var (
		etcd           etcdkv.Config
		path, base     string
		keys, keyFiles []string
		identities     []string
	)
	cmd := &cobra.Command{
		Use:   "backup -o FILE",
		Short: "Copy the ledger (etcd) into a file, and look into such files",
		Long: `Copies everything of an installation out of etcd into a file: groups, sources,
revisions with their content, pins, orders, rollouts, events, revocations. It
is consistent at one etcd revision, and writers go on meanwhile. What lives
with a process is left out: sessions, tallies, candidates of an election.

It speaks to etcd, with the flags of the services, so it works when these are
dead. The file holds the secrets of your configurations. With --recipient or
--recipients-file it is encrypted with age, and only the owner of the secret
key can read it.

With --base only content is stored that an earlier backup does not have. The
base must stay in the same folder: without it the backup is not whole. An encrypted base needs --identity.

The file appears when it is complete. One that exists is not replaced.
silverback restore restores it.`,
		Example: `  silverback backup -o /backup/monday.silverback --recipients-file operators.txt
  silverback backup -o /backup/tuesday.silverback --base /backup/monday.silverback`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return app.RequireSubcommand(cmd, args)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				return fmt.Errorf("say where to: -o FILE; see %s --help", cmd.CommandPath())
			}
			if err := etcd.Check(); err != nil {
				return err
			}
			recipients, err := backup.Recipients(keys, keyFiles)
			if err != nil {
				return err
			}
			o := backup.Order{Prefix: etcd.Prefix, Silverback: version, Now: a.Now()}
			if base != "" {
				if filepath.Dir(base) != filepath.Dir(path) {
					return fmt.Errorf("--base %s: a base lies in the folder of the backup, %s", base, filepath.Dir(path))
				}
				if o.Base, err = indexOf(base, identities); err != nil {
					return err
				}
			}
			client, err := etcdkv.Dial(etcd)
			if err != nil {
				return err
			}
			defer func() { _ = client.Close() }()
			o.KV = client.KV
			taken, size, err := backup.Save(path, func(to io.Writer) (backup.Taken, error) {
				sealed, err := backup.Encrypt(to, recipients)
				if err != nil {
					return backup.Taken{}, err
				}
				t, err := backup.Take(cmd.Context(), o, sealed)
				if err != nil {
					return t, etcdProblem(cmd.Context(), client, err)
				}
				return t, sealed.Close()
			})
			if err != nil {
				return err
			}
			c := taken.Counts
			show.Printf(a.Out, "%s: %s, %s in all; etcd revision %d\n", path, held(c), show.Bytes(size), taken.Manifest.Revision)
			if len(recipients) == 0 {
				fmt.Fprintln(a.Err, a.Colour(app.Yellow, "It is not encrypted, and holds the secrets of your configurations. --recipient encrypts it."))
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&path, outputFlag, "o", "", "file to write; it must not exist")
	app.NotFromEnv(cmd.Flags().Lookup(outputFlag)) // SILVERBACK_OUTPUT is a format
	cmd.Flags().StringVar(&base, "base", "", "an earlier backup in the same folder, whose content is not stored again")
	cmd.Flags().StringSliceVar(&keys, "recipient", nil, "public key of age (age1…) to encrypt to; several may be given")
	cmd.Flags().StringSliceVar(&keyFiles, "recipients-file", nil, "file with such keys, one a line")
	cmd.Flags().StringSliceVar(&identities, "identity", nil, "file with the secret key of age that opens --base")
	etcd.AddFlags(cmd.Flags())
	cmd.AddCommand(verify(a), showContents(a))
	return cmd
}

// held says what was written or read.
func held(c backup.Counts) string {
	text := fmt.Sprintf("%s, %s of content", show.Count(c.Records, "record", "records"), show.Count(c.Objects, "object", "objects"))
	if c.InBase > 0 {
		text += fmt.Sprintf(" and %d more in the base", c.InBase)
	}
	return text
}

func indexOf(path string, identities []string) (*backup.Index, error) {
	ids, err := backup.Identities(identities)
	if err != nil {
		return nil, err
	}
	return backup.Archive{Path: path, Identities: ids}.Index()
}

// etcdProblem adds what the client of etcd does not say: which members were asked.
func etcdProblem(ctx context.Context, client *clientv3.Client, err error) error {
	if ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("etcd at %v: %w", client.Endpoints(), etcdkv.Fault(err))
}

// reading are the flags of commands that read a backup.
type reading struct{ identities []string }

func (r *reading) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&r.identities, "identity", nil, "file with the secret key of age, when the backup is encrypted")
}

func (r *reading) check(path string) (backup.Contents, error) {
	ids, err := backup.Identities(r.identities)
	if err != nil {
		return backup.Contents{}, err
	}
	return backup.Archive{Path: path, Identities: ids}.Check()
}

func verify(a *app.App) *cobra.Command {
	var r reading
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check that a backup is whole, without a cluster",
		Long: `Reads a backup to its end, with its bases: that every byte is as it was
written, that every chunk is what its name says, and that all content is there
that revisions and sources name. It needs neither etcd nor services.

Exit codes: 0 it is whole; 1 it is not.`,
		Args: app.Args("the file of a backup"),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := r.check(args[0])
			if err != nil {
				return err
			}
			if a.Flags.Output != show.Table {
				if err := show.Value(a.Out, a.Flags.Output, contentsOf(c)); err != nil {
					return err
				}
			} else {
				show.Printf(a.Out, "%s: %s of etcd revision %d, as they were written at %s\n", args[0], held(c.Counts), c.Manifest.Revision,
					c.Manifest.Time.Format(time.RFC3339))
			}
			if len(c.Broken) == 0 {
				return nil
			}
			for _, problem := range c.Broken {
				show.Printf(a.Err, "%s\n", problem)
			}
			return fmt.Errorf("%s: the file is as it was written, but the ledger was not whole then; submit the sources of these groups again, "+
				"and make another backup", args[0])
		},
	}
	r.addFlags(cmd)
	return cmd
}

func showContents(a *app.App) *cobra.Command {
	var r reading
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "List what a backup holds",
		Long: `Lists groups, sources and revisions of a backup, the etcd revision and the time
at which it was made. It reads the whole file, as verify does.`,
		Args: app.Args("the file of a backup"),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := r.check(args[0])
			if err != nil {
				return err
			}
			if a.Flags.Output != show.Table {
				return show.Value(a.Out, a.Flags.Output, contentsOf(c))
			}
			return printContents(a, c)
		},
	}
	r.addFlags(cmd)
	return cmd
}

// contents is what a backup holds, for programs.
type contents struct {
	ID       backup.ID       `json:"id"`
	Manifest backup.Manifest `json:"manifest"`
	Counts   backup.Counts   `json:"counts"`
	Bases    []backup.Base   `json:"bases,omitempty"`
	Groups   []backup.Group  `json:"groups"`
	Nodes    int             `json:"nodes"`
	Events   int             `json:"events"`
	Broken   []string        `json:"broken,omitempty"`
}

func contentsOf(c backup.Contents) contents {
	return contents{ID: c.ID, Manifest: c.Manifest, Counts: c.Counts, Bases: c.Bases, Groups: c.Groups, Nodes: c.Nodes, Events: c.Events,
		Broken: c.Broken}
}

func printContents(a *app.App, c backup.Contents) error {
	m := c.Manifest
	a.Line(0, "backup    %s, made at %s by version %s", c.ID.Short(), m.Time.Format(time.RFC3339), m.Silverback)
	a.Line(0, "etcd      revision %d of cluster %x, keys under %s, epoch %d", m.Revision, m.Cluster, m.Prefix, m.Epoch)
	a.Line(0, "holds     %s; %s of nodes, %s", held(c.Counts), show.Count(int64(c.Nodes), "record", "records"),
		show.Count(int64(c.Events), "batch of events", "batches of events"))
	for _, b := range c.Bases {
		a.Line(0, "base      %s (%s)", b.File, b.ID.Short())
	}
	for _, problem := range c.Broken {
		a.Line(0, "broken    %s", problem)
	}
	fmt.Fprintln(a.Out)
	grid := &show.Grid{Header: []string{"GROUP", "REVISION", "DIGEST", "TIME", "ENTITIES", "KEPT", "NODES", "SOURCES"}}
	for _, g := range c.Groups {
		row := []string{g.Name, "-", "-", "-", "-"}
		if g.Revision > 0 {
			row = []string{g.Name, fmt.Sprint(g.Revision), show.Digest(string(g.Digest)), g.Time.UTC().Format(time.RFC3339), fmt.Sprint(g.Entities)}
		}
		grid.Add(append(row, fmt.Sprint(g.Revisions), fmt.Sprint(g.Nodes), sourcesText(g.Sources))...)
	}
	return grid.Draw(a.Out, a.Layout())
}

func sourcesText(sources []backup.Source) string {
	if len(sources) == 0 {
		return "-"
	}
	text := ""
	for i, s := range sources {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%s (%d)", s.Name, s.Entities)
		if s.Pinned {
			text += " pinned"
		}
	}
	return text
}
