// Package releases knows what Kong publishes about its releases: until when a line is supported, and which release fixed what. The table is
// part of the binary and as old as it says; each row names where it can be read. What the table does not say is not guessed.
package releases

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed table.json
var text []byte

// Known returns the table. It must not be changed.
var Known = sync.OnceValue(func() *Table {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	t := &Table{}
	if err := dec.Decode(t); err != nil {
		panic(err) // the text is constant
	}
	return t
})

// Table is what is known.
type Table struct {
	AsOf    string   `json:"as_of"` // the day of the sources, as in 2026-08-21
	Sources []Source `json:"sources"`
	Lines   []Line   `json:"lines"` // the oldest first, without a gap
	Fixes   []Fix    `json:"fixes"` // the newest first
}

// Source is where rows come from.
type Source struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// Line is a minor version with all its patches.
type Line struct {
	Line        string `json:"line"`         // such as 3.10
	Began       string `json:"began"`        // the day of its first Enterprise release
	SupportEnds string `json:"support_ends"` // of the Enterprise edition; for the community edition Kong publishes no day
	LTS         bool   `json:"lts,omitempty"`
	Newest      struct {
		Enterprise string `json:"enterprise"`
		Community  string `json:"community,omitempty"` // empty where the line has no community release
	} `json:"newest"`
	Source string `json:"source"`
}

// Fix is one or more vulnerabilities that the same releases fixed.
type Fix struct {
	IDs       []string  `json:"ids"`
	Component string    `json:"component"`
	About     string    `json:"about"`
	Since     string    `json:"since,omitempty"`    // the line that brought the component; empty is all
	Editions  []Edition `json:"editions,omitempty"` // that have the component; empty is both
	Fixed     []Release `json:"fixed"`
}

// Release is a release that has a fix, the first one of its line and edition.
type Release struct {
	Release string `json:"release"`
	Date    string `json:"date"`
	Source  string `json:"source"`
}

// Edition is an edition of Kong.
type Edition string

// The editions. Releases of the community edition have three numbers, those of the Enterprise edition four.
const (
	Community  Edition = "community"
	Enterprise Edition = "enterprise"
)

// Version is a version of Kong, or a line when it has only two numbers.
type Version []int

// Parse reads a version, such as 3.9.3, 3.10.0.14, 3.4.3.1-enterprise-edition or 3.10.
func Parse(version string) (Version, bool) {
	version, _, _ = strings.Cut(version, "-")
	parts := strings.Split(version, ".")
	if len(parts) < 2 || len(parts) > 4 {
		return nil, false
	}
	var v Version
	for _, part := range parts {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil || strconv.FormatUint(n, 10) != part {
			return nil, false
		}
		v = append(v, int(n)) //nolint:gosec // 16 bits
	}
	return v, true
}

// String writes a version as Parse reads it.
func (v Version) String() string {
	parts := make([]string, len(v))
	for i, n := range v {
		parts[i] = strconv.Itoa(n)
	}
	return strings.Join(parts, ".")
}

// IsLine reports whether it names a line and no release.
func (v Version) IsLine() bool { return len(v) == 2 }

// Line returns the line of a version.
func (v Version) Line() Version { return v[:2:2] }

// Edition returns the edition whose releases have as many numbers.
func (v Version) Edition() Edition {
	if len(v) == 4 {
		return Enterprise
	}
	return Community
}

// Is reports whether another version is this one, or belongs to this line.
func (v Version) Is(other Version) bool {
	return len(other) >= len(v) && slices.Equal(v, other[:len(v)])
}

// Line returns the line of a version. There is none when the table is older than the version, or does not go back so far.
func (t *Table) Line(v Version) (Line, bool) {
	at := slices.IndexFunc(t.Lines, func(l Line) bool { return l.Line == v.Line().String() })
	if at < 0 {
		return Line{}, false
	}
	return t.Lines[at], true
}

// NewestOf returns the newest release of a line in an edition, or in the other one when the line has none in this.
func (l Line) NewestOf(e Edition) Version {
	text := l.Newest.Enterprise
	if e == Community && l.Newest.Community != "" {
		text = l.Newest.Community
	}
	v, _ := Parse(text)
	return v
}

// Supported reports whether Kong supports the line's Enterprise edition on a day.
func (l Line) Supported(now time.Time) bool { return now.UTC().Format(time.DateOnly) <= l.SupportEnds }

// A Lack is a fix that a release does not have.
type Lack struct {
	Fix
	// In is the release of the same line and edition that has it; nil when the changelogs name none. Then it is not known whether the release
	// needs it.
	In *Release
}

// Lacks returns the fixes that a release does not have, the newest first. It knows nothing of releases whose line is not in the table.
func (t *Table) Lacks(v Version) []Lack {
	line, ok := t.Line(v)
	if !ok || v.IsLine() {
		return nil
	}
	var lacks []Lack
	for _, f := range t.Fixes {
		if !f.Concerns(v) {
			continue
		}
		switch in, last := f.in(v); {
		case in != nil && slices.Compare(v, in.version()) < 0:
			lacks = append(lacks, Lack{f, in})
		case in == nil && line.Began <= last: // a line that began after the last of the fixes was made with it
			lacks = append(lacks, Lack{Fix: f})
		}
	}
	return lacks
}

// Concerns reports whether a release has the component, as far as the table says.
func (f Fix) Concerns(v Version) bool {
	since, _ := Parse(f.Since)
	return (len(f.Editions) == 0 || slices.Contains(f.Editions, v.Edition())) && slices.Compare(v.Line(), since) >= 0
}

// in returns the release of a version's line and edition that has the fix, and the day of the last release that brought it anywhere.
func (f Fix) in(v Version) (found *Release, last string) {
	for i, r := range f.Fixed {
		last = max(last, r.Date)
		if of := r.version(); v.Line().Is(of) && of.Edition() == v.Edition() {
			found = &f.Fixed[i]
		}
	}
	return found, last
}

func (r Release) version() Version {
	v, _ := Parse(r.Release)
	return v
}
