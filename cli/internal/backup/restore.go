package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/backup"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/presence"
)

// usualWait is how long a restore waits for replicas that were asked to stop, and for the sessions of nodes.
const usualWait = 30 * time.Second

// Restore is the command that puts a backup into an etcd.
func Restore(a *app.App, version string) *cobra.Command {
	var (
		etcd                             etcdkv.Config
		r                                reading
		replace, incomplete, dryRun, yes bool
		wait                             time.Duration
	)
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup of the ledger into an etcd",
		Long: `Puts a backup that silverback backup made into an etcd, which may be empty or
hold a ledger. The services must be stopped; agents and gateways go on. It
speaks to etcd, with the flags of the services.

Everything is checked before the first write, as backup verify does. A restore
that is interrupted is run again: until one has ended, services refuse to
start on this etcd.

Started again, the services adopt the agents. Gateways whose last decision the
backup has go on without a load. Nodes that follow a later decision hold what
they have until silverback recover; silverback status names them, and the
revisions that the ledger lacks.

An etcd that holds a ledger needs --replace. What the backup lacks is then
deleted; --dry-run shows what would be lost, and writes nothing.

Exit codes: 0 it is restored, or would be (--dry-run); 1 it is not.`,
		Example: `  silverback restore /backup/monday.silverback --identity key.txt
  silverback restore /backup/monday.silverback --replace --dry-run`,
		Args: app.Args("the file of a backup"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := etcd.Check(); err != nil {
				return err
			}
			ids, err := backup.Identities(r.identities)
			if err != nil {
				return err
			}
			client, err := etcdkv.Dial(etcd)
			if err != nil {
				return err
			}
			defer func() { _ = client.Close() }()
			c := restoring{App: a, prefix: etcd.Prefix, dryRun: dryRun, yes: yes, wait: wait, endpoints: client.Endpoints()}
			c.Restoration = backup.Restoration{
				KV: client.KV, Archive: backup.Archive{Path: args[0], Identities: ids}, Silverback: version, Now: a.Now(), Replace: replace,
				Incomplete: incomplete,
			}
			return c.run(cmd.Context())
		},
	}
	r.addFlags(cmd)
	cmd.Flags().BoolVar(&replace, "replace", false, "restore into an etcd that holds a ledger: what the backup lacks is lost")
	cmd.Flags().BoolVar(&incomplete, "incomplete", false, "restore a ledger that was not whole when it was backed up")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "show what etcd and the backup hold, and write nothing")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().DurationVar(&wait, "wait", usualWait, "how long to wait for replicas of services that were asked to stop; for others at most "+
		"as long as one counts that was killed, "+presence.TTL.String())
	etcd.AddFlags(cmd.Flags())
	return cmd
}

// restoring is one call of the command.
type restoring struct {
	*app.App
	backup.Restoration
	prefix      string
	endpoints   []string
	dryRun, yes bool
	wait        time.Duration
}

func (c restoring) run(ctx context.Context) error {
	plan, err := c.Plan(ctx)
	if err != nil {
		return c.problem(ctx, err)
	}
	if c.Flags.Output != show.Table {
		err = show.Value(c.Out, c.Flags.Output, planOf(plan))
	} else {
		err = c.print(plan)
	}
	if err != nil {
		return err
	}
	if !c.dryRun {
		if plan.There, err = c.await(ctx, plan.There); err != nil {
			return c.problem(ctx, err)
		}
	}
	if err := c.Refusal(plan); err != nil {
		return remedy(err)
	}
	if c.dryRun {
		fmt.Fprintln(c.Err, "Nothing was written.")
		return nil
	}
	if plan.There.Keys > 0 && plan.There.Unfinished == nil && !c.yes {
		if err := c.Confirm("Replace what this etcd holds?"); err != nil {
			return err
		}
	}
	done, err := c.Restore(ctx, plan)
	if err != nil {
		return remedy(c.problem(ctx, err))
	}
	m := plan.Backup.Manifest
	show.Printf(c.Err, "restored backup %s of %s: %s written, %d as they were, %d deleted; decisions go on at number %d\n",
		plan.Backup.ID.Short(), m.Time.Format(time.RFC3339), show.Count(done.Written, "key", "keys"), done.Same, done.Deleted, done.Number)
	fmt.Fprintln(c.Err, "Start the services. Nodes that follow a decision of after the backup hold what they have: silverback status names "+
		"them.")
	return nil
}

// await waits for replicas that end: those that were asked to stop, and those that were killed, of which nothing says so.
func (c restoring) await(ctx context.Context, there backup.There) (backup.There, error) {
	told := false
	for began := time.Now(); len(there.Replicas) > 0; {
		limit := c.wait
		if slices.ContainsFunc(there.Replicas, func(r presence.Replica) bool { return !r.Ends }) {
			limit = min(limit, presence.TTL+time.Second)
		}
		if time.Since(began) >= limit {
			break
		}
		if !told {
			told = true
			fmt.Fprintf(c.Err, "waiting until %s is gone\n", there.Replicas[0].Name)
		}
		err := backoff.Sleep(ctx, time.Second)
		if err == nil {
			there, err = c.Look(ctx)
		}
		if err != nil {
			return there, err
		}
	}
	return there, nil
}

// problem adds which members of etcd were asked.
func (c restoring) problem(ctx context.Context, err error) error {
	if fault := etcdkv.Fault(err); ctx.Err() == nil && fault != err { //nolint:errorlint // whether it became another
		return fmt.Errorf("etcd at %v: %w", c.endpoints, fault)
	}
	return err
}

// remedy adds what to do to a refusal.
func remedy(err error) error {
	for is, what := range map[error]string{
		backup.ErrInUse: "stop all services before (docker compose stop, kubectl scale --replicas=0, systemctl stop); agents and gateways " +
			"go on",
		backup.ErrHolds:      "--replace takes its place, and --dry-run shows what is lost by that",
		backup.ErrOther:      "restore that one again, or take its place with --replace",
		backup.ErrIncomplete: "--incomplete restores it all the same",
	} {
		if errors.Is(err, is) {
			return fmt.Errorf("%w: %s", err, what)
		}
	}
	return err
}

// print prints what etcd and the backup hold.
func (c restoring) print(p backup.Plan) error {
	m, t := p.Backup.Manifest, p.There
	c.Line(0, "backup    %s, made at %s by version %s, %s; epoch %d", p.Backup.ID.Short(), m.Time.Format(time.RFC3339), m.Silverback,
		held(p.Backup.Counts), m.Epoch)
	if m.Prefix != c.prefix {
		c.Line(0, "prefix    it is of keys under %s, and goes under %s", m.Prefix, c.prefix)
	}
	switch {
	case t.Unfinished != nil:
		c.Line(0, "etcd      a restore of backup %.12s in %s has begun at %s and has not ended", t.Unfinished.Backup, t.Unfinished.File,
			t.Unfinished.Time.Format(time.RFC3339))
	case t.Keys == 0:
		c.Line(0, "etcd      empty under %s", c.prefix)
	default:
		c.Line(0, "etcd      %s under %s: %s, %s of nodes; epoch %d", show.Count(int64(t.Keys), "key", "keys"), c.prefix,
			show.Count(int64(len(t.Groups)), "group", "groups"), show.Count(int64(t.Nodes), "record", "records"), t.Epoch)
	}
	fmt.Fprintln(c.Out)
	grid := &show.Grid{Header: []string{"GROUP", "IN ETCD", "IN THE BACKUP", "LOST"}}
	later := false
	for _, g := range differences(p) {
		grid.Add(g.Name, said(g.Etcd), said(g.Backup), g.Lost)
		later = later || g.Later
	}
	if err := grid.Draw(c.Out, c.Layout()); err != nil {
		return err
	}
	if later {
		c.Line(0, "Nodes that follow a decision of after the backup hold what they have until silverback recover.")
	}
	return nil
}

// said says what a ledger holds of a group.
func said(g *backup.Group) string {
	switch {
	case g == nil:
		return "-"
	case g.Revision == 0:
		return "no revision"
	}
	text := fmt.Sprintf("revision %d (%s)", g.Revision, show.Digest(string(g.Digest)))
	if g.Decision > 0 {
		text += fmt.Sprintf(", decision %d of epoch %d", g.Decision, g.Epoch)
	}
	return text
}

// A difference is a group in etcd and in the backup.
type difference struct {
	Name   string        `json:"name"`
	Etcd   *backup.Group `json:"etcd,omitempty"`
	Backup *backup.Group `json:"backup,omitempty"`
	Lost   string        `json:"lost"` // for people; "-" is nothing
	Later  bool          `json:"later_decision,omitempty"`
}

// differences are the groups of both, by name.
func differences(p backup.Plan) (all []difference) {
	find := func(groups []backup.Group, name string) *backup.Group {
		if i := slices.IndexFunc(groups, func(g backup.Group) bool { return g.Name == name }); i >= 0 {
			return &groups[i]
		}
		return nil
	}
	var names []string
	for _, g := range slices.Concat(p.There.Groups, p.Backup.Groups) {
		names = append(names, g.Name)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		d := difference{Name: name, Etcd: find(p.There.Groups, name), Backup: find(p.Backup.Groups, name), Lost: "-"}
		if d.Etcd != nil {
			d.Lost, d.Later = lost(*d.Etcd, d.Backup, p)
		}
		all = append(all, d)
	}
	return all
}

// lost says what of a group in etcd the backup lacks, and whether nodes may follow what it lacks.
func lost(is backup.Group, was *backup.Group, p backup.Plan) (text string, later bool) {
	if was == nil {
		return "the group", is.Decision > 0
	}
	later = is.Epoch > was.Epoch || is.Epoch == was.Epoch && is.Decision > was.Decision
	switch {
	case is.Revision > was.Revision+1:
		return fmt.Sprintf("revisions %d to %d", was.Revision+1, is.Revision), later
	case is.Revision > was.Revision, is.Revision == was.Revision && is.Digest != was.Digest:
		return fmt.Sprintf("revision %d", is.Revision), later
	case is.Revision > 0 && is.Revision < was.Revision && p.There.Unfinished == nil:
		return "-; the backup is newer", later
	}
	return "-", later
}

// plan is what etcd and the backup hold, for programs.
type plan struct {
	Backup     contents       `json:"backup"`
	Keys       int            `json:"keys"` // in etcd
	Epoch      int64          `json:"epoch"`
	Nodes      int            `json:"nodes"`
	Groups     []difference   `json:"groups"`
	Replicas   []string       `json:"replicas,omitempty"`
	Unfinished *presence.Mark `json:"unfinished,omitempty"`
}

func planOf(p backup.Plan) plan {
	all := plan{Backup: contentsOf(p.Backup), Keys: p.There.Keys, Epoch: int64(p.There.Epoch), Nodes: p.There.Nodes, Groups: differences(p),
		Unfinished: p.There.Unfinished}
	for _, r := range p.There.Replicas {
		all.Replicas = append(all.Replicas, r.Name)
	}
	return all
}
