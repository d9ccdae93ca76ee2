package releases

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A row that nobody can look up, or that contradicts another one, does not get into the table.
func TestEveryRowCanBeLookedUp(t *testing.T) {
	table := Known()
	day := func(what, text string) {
		if _, err := time.Parse(time.DateOnly, text); err != nil || text > table.AsOf && what != "support" {
			t.Errorf("%s: %q is no day up to %s", what, text, table.AsOf)
		}
	}
	day("as_of", table.AsOf)
	published := func(row, source string) {
		u, err := url.Parse(source)
		of := func(s Source) bool { return strings.HasPrefix(source, s.URL) }
		if err != nil || u.Scheme != "https" || !slices.ContainsFunc(table.Sources, of) {
			t.Errorf("%s: %q is none of the sources", row, source)
		}
	}
	var before Version
	for _, l := range table.Lines {
		v, ok := Parse(l.Line)
		if !ok || !v.IsLine() || before != nil && v[1] != before[1]+1 {
			t.Errorf("line %q follows %v", l.Line, before)
		}
		before = v
		day("line "+l.Line, l.Began)
		day("support", l.SupportEnds)
		published(l.Line, l.Source)
		for _, e := range []Edition{Community, Enterprise} {
			if newest := l.NewestOf(e); !v.Is(newest) || newest.IsLine() {
				t.Errorf("line %s: its newest release is %v", l.Line, newest)
			}
		}
	}
	id := regexp.MustCompile(`^CVE-\d{4}-\d{4,}$`)
	seen := map[string]bool{}
	for _, f := range table.Fixes {
		for _, i := range f.IDs {
			if !id.MatchString(i) || seen[i] {
				t.Errorf("%q is no id, or there twice", i)
			}
			seen[i] = true
		}
		if len(f.IDs) == 0 || f.Component == "" || f.About == "" || len(f.Fixed) == 0 || !slices.IsSorted(f.IDs) {
			t.Errorf("%v: something is missing", f.IDs)
		}
		once := map[string]bool{}
		for _, r := range f.Fixed {
			v := r.version()
			key := v.Line().String() + string(v.Edition())
			line, ok := table.Line(v)
			if v == nil || v.IsLine() || once[key] || !ok {
				t.Errorf("%v: release %q is none, or not the only one of its line", f.IDs, r.Release)
			}
			once[key] = true
			if newest := line.NewestOf(v.Edition()); slices.Compare(v, newest) > 0 {
				t.Errorf("%v: %s is newer than the newest release %v", f.IDs, r.Release, newest)
			}
			day(r.Release, r.Date)
			published(r.Release, r.Source)
			anchor, word := strings.ReplaceAll(r.Release, ".", "-"), "developer.konghq.com"
			if v.Edition() == Community {
				anchor, word = strings.ReplaceAll(r.Release, ".", ""), "github.com/Kong/kong"
			}
			if !strings.HasSuffix(r.Source, "#"+anchor) || !strings.Contains(r.Source, word) {
				t.Errorf("%v: %s is not at %s", f.IDs, r.Release, r.Source)
			}
		}
	}
}

func TestWhatAReleaseLacks(t *testing.T) {
	for _, tt := range []struct {
		name, version, id, in string // in is - where no release is on record, and empty where nothing is lacking
	}{
		{"the patch before", "3.9.2", "CVE-2026-49975", "3.9.3"},
		{"the patch itself", "3.9.3", "CVE-2026-49975", ""},
		{"a line of the other edition says nothing", "3.9.3", "CVE-2026-1642", "-"},
		{"a line that was never patched", "3.8.1", "CVE-2026-49975", "-"},
		{"Enterprise, the patch before", "3.10.0.13", "CVE-2026-49975", "3.10.0.14"},
		{"Enterprise, ten is more than nine", "3.10.0.9", "CVE-2026-1642", ""},
		{"a line that began later", "3.15.0.0", "CVE-2026-1642", ""},
		{"a line that began before the last fix", "3.9.1.2", "CVE-2024-40896", "-"},
		{"a later community line", "3.9.3", "CVE-2023-44487", ""},
		{"an older community patch", "3.4.1", "CVE-2023-44487", "3.4.2"},
		{"a plugin that the edition does not have", "3.9.3", "CVE-2026-14917", ""},
		{"a plugin that came later", "3.10.0.0", "CVE-2026-14916", ""},
		{"a plugin that the line has", "3.14.0.11", "CVE-2026-14916", "3.14.0.12"},
		{"a line that the table does not know", "3.99.0", "CVE-2026-49975", ""},
		{"a line instead of a release", "3.9", "CVE-2026-49975", ""},
	} {
		v, ok := Parse(tt.version)
		if !ok {
			t.Fatal(tt.version)
		}
		got := ""
		for _, l := range Known().Lacks(v) {
			if slices.Contains(l.IDs, tt.id) {
				if got = "-"; l.In != nil {
					got = l.In.Release
				}
			}
		}
		if got != tt.in {
			t.Errorf("%s: %s and %s: %q, want %q", tt.name, tt.version, tt.id, got, tt.in)
		}
	}
}

func TestVersions(t *testing.T) {
	for text, want := range map[string]string{"3.9.3": "3.9.3", "3.4.3.1-enterprise-edition": "3.4.3.1", "3.10": "3.10", "3": "", "3.9.x": "",
		"3.09": "", "": "", "3.9.1.2.3": "", "3.-1": "", "v3.9": ""} {
		if v, ok := Parse(text); ok != (want != "") || v.String() != want {
			t.Errorf("%q is %v", text, v)
		}
	}
	line, _ := Known().Line(Version{3, 9, 3})
	ends, _ := time.Parse(time.DateOnly, line.SupportEnds)
	if !line.Supported(ends.Add(23*time.Hour)) || line.Supported(ends.Add(24*time.Hour)) {
		t.Error("the last day is a day of support")
	}
	if v := line.NewestOf(Community); v.Edition() != Community {
		t.Errorf("newest %v", v)
	}
}
