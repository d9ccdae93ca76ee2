package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/kit/content"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

const (
	groupsPrefix    = "identity/groups/"
	nodesPrefix     = "identity/nodes/"
	headsPrefix     = "desired/heads/"
	revisionsPrefix = "desired/revisions/"
	sourcesPrefix   = "desired/sources/"
	fragmentsPrefix = "content/fragments/"
	eventsPrefix    = "decided/events/"

	assignmentsPrefix = "decided/assignments/"
	targetsPrefix     = "decided/targets/"
)

// Contents is what a backup holds, for people, and whether it holds together.
type Contents struct {
	Walked
	Groups []Group // by name
	Nodes  int
	Events int
	// Revisions is how many are kept, of all groups.
	Revisions int
	// Broken says what the ledger lacked already when it was backed up; the file itself is as it was written. At most maxBroken are listed.
	Broken []string

	shift int64 // of the numbers of the ledger
	unfit error // why this version cannot restore it
}

const maxBroken = 10

// A Group is what a backup holds of a group.
type Group struct {
	Name      string         `json:"name"`
	Revision  fleet.Revision `json:"revision"` // the newest; 0 without any
	Digest    fleet.Digest   `json:"digest,omitempty"`
	Time      time.Time      `json:"create_time,omitzero"`
	Entities  int64          `json:"entities"`
	Revisions int            `json:"revisions"` // how many are kept
	Nodes     int            `json:"nodes"`
	Sources   []Source       `json:"sources,omitempty"`
	Epoch     fleet.Epoch    `json:"epoch,omitempty"`    // of the decision
	Decision  fleet.Decision `json:"decision,omitempty"` // the last of the group; 0 without any
}

// A Source is what a backup holds of a source.
type Source struct {
	Name     string         `json:"name"`
	Revision fleet.Revision `json:"revision"` // that brought its content
	Entities int64          `json:"entities"`
	Pinned   bool           `json:"pinned,omitempty"`
}

// revision is what is read of the record of a revision.
type revision struct {
	Number     fleet.Revision   `json:"number"`
	Digest     fleet.Digest     `json:"digest"`
	Entities   map[string]int64 `json:"entities"`
	CreateTime time.Time        `json:"create_time"`
	Sources    []fragment       `json:"sources"`
	Pins       []fragment       `json:"pins"`
}

type fragment struct {
	Name     string          `json:"name"`
	Fragment fleet.Digest    `json:"fragment"`
	Revision fleet.Revision  `json:"revision"`
	Entities int64           `json:"entities"`
	Pin      json.RawMessage `json:"pin"`
}

// Check reads a backup and says what it holds. An error means that it is not complete, or not as it was written. A chunk that is not what
// its name says, or content that a revision names and that is not there, is in Contents.Broken. It needs no etcd.
func (a Archive) Check() (Contents, error) {
	c := newChecking()
	newest := int64(0)
	walked, err := a.Walk(func(e Entry) error {
		if passes(e.Key) {
			return fmt.Errorf("%w: it holds the key %.100q, which no backup has", ErrDamaged, e.Key)
		}
		newest = max(newest, e.Revision)
		if err := c.fits(e); err != nil && c.unfit == nil {
			c.unfit = err
		}
		if err := c.take(e); err != nil {
			c.broken(fmt.Sprintf("%s: %v", e.Key, err))
		}
		return nil
	})
	if err != nil {
		return Contents{}, err
	}
	if m := walked.Manifest; m.Revision <= 0 || m.Revision > etcdkv.MaxNumber || newest > m.Revision {
		return Contents{}, fmt.Errorf("%s: %w: it holds what was written at revision %d, and is of etcd revision %d", a.Path, ErrDamaged, newest,
			m.Revision)
	}
	c.whole()
	c.Walked = walked
	c.Groups = c.sorted()
	return c.Contents, nil
}

// checking collects the names of what is there, and of what must be there with who names it.
type checking struct {
	Contents
	groups                                      map[string]*Group
	chunks, manifests                           map[string]bool
	fragments, pieces                           map[string]int // how many pieces there should be, and are
	chunksNamed, manifestsNamed, fragmentsNamed map[string]string
}

func newChecking() *checking {
	return &checking{groups: map[string]*Group{}, chunks: map[string]bool{}, manifests: map[string]bool{}, fragments: map[string]int{},
		pieces: map[string]int{}, chunksNamed: map[string]string{}, manifestsNamed: map[string]string{}, fragmentsNamed: map[string]string{}}
}

func (c *checking) group(name string) *Group {
	g := c.groups[name]
	if g == nil {
		g = &Group{Name: name}
		c.groups[name] = g
	}
	return g
}

// fits reports why an entry cannot be restored.
func (c *checking) fits(e Entry) (err error) {
	if e.Key == epochKey {
		_, _, c.shift, err = lifeOf(e.Value)
		return err
	}
	_, err = carried(e)
	return err
}

// take takes note of an entry.
func (c *checking) take(e Entry) error {
	for _, kind := range []struct {
		prefix string
		take   func(rest string, value []byte) error
	}{
		{content.ChunkPrefix, c.chunk}, {content.ManifestPrefix, c.manifest}, {fragmentsPrefix, c.fragment},
		{headsPrefix, c.head}, {revisionsPrefix, c.revision}, {sourcesPrefix, c.source},
		{assignmentsPrefix, func(group string, value []byte) error { return c.assignment(group, value, e.Revision) }},
	} {
		if rest, ok := strings.CutPrefix(e.Key, kind.prefix); ok {
			return kind.take(rest, e.Value)
		}
	}
	if name, ok := strings.CutPrefix(e.Key, groupsPrefix); ok {
		c.group(name)
	} else if rest, ok := strings.CutPrefix(e.Key, nodesPrefix); ok {
		name, _, _ := strings.Cut(rest, "/")
		c.group(name).Nodes++
		c.Nodes++
	} else if strings.HasPrefix(e.Key, eventsPrefix) {
		c.Events++
	}
	return nil
}

func (c *checking) chunk(name string, value []byte) error {
	sum, err := snapshot.ParseSum(name)
	if err != nil {
		return err
	}
	if _, err := snapshot.Verify(value, sum); err != nil {
		return err
	}
	c.chunks[name] = true
	return nil
}

func (c *checking) manifest(name string, value []byte) error {
	var m snapshot.Manifest
	if err := m.UnmarshalBinary(value); err != nil {
		return err
	}
	if m.Digest.Hex() != name {
		return fmt.Errorf("it is the manifest of %s", m.Digest)
	}
	c.manifests[name] = true
	for _, ref := range m.Chunks {
		c.chunksNamed[ref.Sum.String()] = "snapshot " + m.Digest.Short()
	}
	return nil
}

func (c *checking) fragment(name string, value []byte) error {
	if of, _, isPiece := strings.Cut(name, "/"); isPiece {
		c.pieces[of]++
		return nil
	}
	n, err := strconv.Atoi(string(value))
	if err != nil || n < 1 {
		return errors.New("it says no number of pieces")
	}
	c.fragments[name] = n
	return nil
}

func (c *checking) head(group string, value []byte) error {
	r, err := c.names("group "+group, value)
	if err != nil || r.Number == 0 {
		return err
	}
	g := c.group(group)
	g.Revision, g.Digest, g.Time = r.Number, r.Digest, r.CreateTime
	for _, n := range r.Entities {
		g.Entities += n
	}
	return nil
}

func (c *checking) revision(rest string, value []byte) error {
	group, _, _ := strings.Cut(rest, "/")
	r, err := c.names("group "+group, value)
	if err != nil {
		return err
	}
	if r.Number == 0 {
		return errors.New("it is no revision")
	}
	c.group(group).Revisions++
	c.Revisions++
	return nil
}

func (c *checking) assignment(group string, value []byte, revision int64) error {
	r, err := numberedOf(value)
	if err != nil {
		return err
	}
	var of struct {
		Epoch fleet.Epoch `json:"epoch"`
	}
	if err := json.Unmarshal(r.Value, &of); err != nil {
		return err
	}
	g := c.group(group)
	g.Epoch, g.Decision = of.Epoch, fleet.Decision(r.Number(revision))
	return nil
}

// names reads the record of a revision, and notes the content that it names.
func (c *checking) names(who string, value []byte) (revision, error) {
	var r revision
	if err := json.Unmarshal(value, &r); err != nil || r.Number == 0 {
		return r, err // the head of a group without a revision is null
	}
	who = fmt.Sprintf("revision %d of %s", r.Number, who)
	c.manifestsNamed[r.Digest.Hex()] = who
	for _, f := range slices.Concat(r.Sources, r.Pins) {
		c.fragmentsNamed[f.Fragment.Hex()] = who
	}
	return r, nil
}

func (c *checking) source(rest string, value []byte) error {
	group, name, ok := strings.Cut(rest, "/")
	if !ok {
		return errors.New("its key has no name")
	}
	var f fragment
	if err := json.Unmarshal(value, &f); err != nil {
		return err
	}
	c.fragmentsNamed[f.Fragment.Hex()] = fmt.Sprintf("source %s of group %s", name, group)
	g := c.group(group)
	g.Sources = append(g.Sources, Source{Name: name, Revision: f.Revision, Entities: f.Entities, Pinned: len(f.Pin) > 0})
	return nil
}

// whole notes what is named and not there.
func (c *checking) whole() {
	lacks := func(what string, named map[string]string, has func(string) bool) {
		for _, name := range slices.Sorted(maps.Keys(named)) {
			if !has(name) {
				c.broken(fmt.Sprintf("%s names the %s %.12s, which is not there", named[name], what, name))
			}
		}
	}
	lacks("snapshot", c.manifestsNamed, func(n string) bool { return c.manifests[n] })
	lacks("chunk", c.chunksNamed, func(n string) bool { return c.chunks[n] })
	lacks("content", c.fragmentsNamed, func(n string) bool { return c.fragments[n] > 0 && c.pieces[n] >= c.fragments[n] })
}

func (c *checking) broken(what string) {
	if len(c.Broken) < maxBroken {
		c.Broken = append(c.Broken, what)
	}
}
