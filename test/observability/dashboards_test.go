package observability_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/test/dashboards"
)

func read(t *testing.T) []dashboards.Dashboard {
	t.Helper()
	all, err := dashboards.Read(at(t, "deploy", "observability", "grafana", "dashboards"))
	if err != nil || len(all) != 4 {
		t.Fatalf("there are %d dashboards: %v", len(all), err)
	}
	return all
}

var labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

func TestDashboardsAskForWhatThereIs(t *testing.T) {
	known, uids := knownMetrics(t), map[string]bool{}
	for _, d := range read(t) {
		file := d.File
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
		for _, p := range d.Panels() {
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
			if left := dashboards.Plain(expr); strings.Contains(left, "$") {
				t.Errorf("%s: %s has a variable that the dashboard does not", file, left)
				continue
			}
			for _, metric := range metricsOf(t, dashboards.Plain(expr)) {
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
	for _, d := range read(t) {
		for _, p := range d.Panels() {
			for _, target := range p.Targets {
				for _, metric := range metricsOf(t, dashboards.Plain(target.Expr)) {
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
