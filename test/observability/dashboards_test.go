package observability_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

type panel struct {
	ID      int     `json:"id"`
	Type    string  `json:"type"`
	Title   string  `json:"title"`
	Text    string  `json:"description"`
	Panels  []panel `json:"panels"` // of a row that is closed
	Targets []struct {
		Expr       string            `json:"expr"`
		DataSource map[string]string `json:"datasource"`
	} `json:"targets"`
}

type dashboard struct {
	UID        string  `json:"uid"`
	Title      string  `json:"title"`
	Panels     []panel `json:"panels"`
	Templating struct {
		List []struct {
			Name       string `json:"name"`
			Definition string `json:"definition"`
		} `json:"list"`
	} `json:"templating"`
}

// all returns the panels that show something.
func (d dashboard) all() (found []panel) {
	for _, p := range d.Panels {
		found = append(found, p.Panels...)
		if p.Type != "row" {
			found = append(found, p)
		}
	}
	return found
}

func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob(at(t, "deploy", "observability", "grafana", "dashboards", "*.json"))
	if err != nil || len(files) != 3 {
		t.Fatalf("there are %d dashboards: %v", len(files), err)
	}
	all := map[string]dashboard{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[filepath.Base(file)] = d
	}
	return all
}

// plain is an expression with Grafana's variables filled, as they are when nothing is chosen.
func plain(expr string) string {
	return strings.NewReplacer("$__rate_interval", "5m", "$group", ".*", "$node", ".*").Replace(expr)
}

var labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

func TestDashboardsAskForWhatThereIs(t *testing.T) {
	known, uids := knownMetrics(t), map[string]bool{}
	for file, d := range dashboards(t) {
		if d.UID == "" || uids[d.UID] || d.Title == "" {
			t.Errorf("%s has the uid %q and the title %q", file, d.UID, d.Title)
		}
		uids[d.UID] = true
		var exprs []string
		for _, v := range d.Templating.List {
			if v.Definition == "" {
				continue
			}
			m := labelValues.FindStringSubmatch(v.Definition)
			if m == nil {
				t.Errorf("%s: the variable %s is %q", file, v.Name, v.Definition)
				continue
			}
			exprs = append(exprs, m[1])
		}
		ids := map[int]bool{}
		for _, p := range d.all() {
			if ids[p.ID] || p.Title == "" || p.Text == "" || len(p.Targets) == 0 {
				t.Errorf("%s: the panel %q has the id %d, %d targets and says %q", file, p.Title, p.ID, len(p.Targets), p.Text)
			}
			ids[p.ID] = true
			for _, target := range p.Targets {
				exprs = append(exprs, target.Expr)
				if target.DataSource["uid"] != "${datasource}" {
					t.Errorf("%s: the panel %q asks %q", file, p.Title, target.DataSource["uid"])
				}
			}
		}
		for _, expr := range exprs {
			if left := plain(expr); strings.Contains(left, "$") {
				t.Errorf("%s: %s has a variable that the dashboard does not", file, left)
				continue
			}
			for _, metric := range metricsOf(t, plain(expr)) {
				if !known[metric] {
					t.Errorf("%s asks for %s, which no process tells", file, metric)
				}
			}
		}
	}
}

// Every metric of our own that tells of a fault or of work is on a dashboard, or it might as well not be told.
func TestEveryMetricIsShown(t *testing.T) {
	shown := map[string]bool{}
	for _, d := range dashboards(t) {
		for _, p := range d.all() {
			for _, target := range p.Targets {
				for _, metric := range metricsOf(t, plain(target.Expr)) {
					shown[strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(metric, "_bucket"), "_sum"), "_count")] = true
				}
			}
		}
	}
	text, err := os.ReadFile(at(t, "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(silverback_[a-z0-9_]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		if !shown[m[1]] && !slices.Contains(notShown, m[1]) {
			t.Errorf("no dashboard shows %s", m[1])
		}
	}
}

// notShown are metrics for whoever looks into one process.
var notShown = []string{"silverback_distributor_frame_bytes"}
