package observability_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/common/model"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/template"
	"go.yaml.in/yaml/v3"
)

// duration is what Prometheus writes: 30s, 5m.
type duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := model.ParseDuration(string(text))
	*d = duration(parsed)
	return err
}

type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         duration          `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

type ruleFile struct {
	Groups []struct {
		Name  string `yaml:"name"`
		Rules []rule `yaml:"rules"`
	} `yaml:"groups"`
}

type alert struct {
	Labels      map[string]string `yaml:"exp_labels"`
	Annotations map[string]string `yaml:"exp_annotations"`
}

type caseFile struct {
	RuleFiles []string `yaml:"rule_files"`
	Interval  duration `yaml:"evaluation_interval"`
	Tests     []struct {
		Name     string   `yaml:"name"`
		Interval duration `yaml:"interval"`
		Series   []struct {
			Series string `yaml:"series"`
			Values string `yaml:"values"`
		} `yaml:"input_series"`
		Alerts []struct {
			Name string   `yaml:"alertname"`
			At   duration `yaml:"eval_time"`
			Want []alert  `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	} `yaml:"tests"`
}

// at returns a path below the folder with go.work.
func at(t *testing.T, path ...string) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.work")); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(append([]string{dir}, path...)...)
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func rules(t *testing.T) map[string]rule {
	t.Helper()
	var file ruleFile
	readYAML(t, at(t, "deploy", "observability", "alerts.yaml"), &file)
	all := map[string]rule{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if _, ok := all[r.Alert]; ok {
				t.Errorf("two rules are called %s", r.Alert)
			}
			all[r.Alert] = r
		}
	}
	return all
}

func TestRulesSayWhatTheyMean(t *testing.T) {
	known := knownMetrics(t)
	for name, r := range rules(t) {
		if !slices.Contains([]string{"warning", "critical"}, r.Labels["severity"]) {
			t.Errorf("%s has the severity %q", name, r.Labels["severity"])
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s lacks a summary or a description", name)
		}
		page, found := strings.CutPrefix(r.Annotations["runbook_url"], "https://github.com/silverback-gateway/silverback/blob/main/")
		if _, err := os.Stat(at(t, filepath.FromSlash(page))); !found || err != nil {
			t.Errorf("%s names the page %q, which there is not", name, r.Annotations["runbook_url"])
		}
		for _, metric := range metricsOf(t, r.Expr) {
			if !known[metric] {
				t.Errorf("%s asks for %s, which no process tells", name, metric)
			}
		}
	}
}

func TestEveryRuleFiresAndIsSilent(t *testing.T) {
	var cases caseFile
	readYAML(t, at(t, "deploy", "observability", "alerts_test.yaml"), &cases)
	if !slices.Equal(cases.RuleFiles, []string{"alerts.yaml"}) {
		t.Errorf("the cases are for %q", cases.RuleFiles)
	}
	all, fired, silent := rules(t), map[string]bool{}, map[string]bool{}
	known := knownMetrics(t)
	for _, c := range cases.Tests {
		t.Run(c.Name, func(t *testing.T) {
			var scraped memory
			for _, s := range c.Series {
				scraped.load(t, s.Series, s.Values, time.Duration(c.Interval))
			}
			for _, s := range scraped {
				if name := s.Metric.Get(model.MetricNameLabel); !known[name] {
					t.Errorf("the case gives %s, which no process tells", name)
				}
			}
			for _, a := range c.Alerts {
				r, ok := all[a.Name]
				if !ok {
					t.Fatalf("there is no rule %s", a.Name)
				}
				got := firing(t, r, &scraped, time.Duration(cases.Interval), time.Duration(a.At))
				for i := range a.Want {
					a.Want[i].Labels["alertname"] = r.Alert
				}
				byLabels := cmpopts.SortSlices(func(x, y alert) bool { return fmt.Sprint(x.Labels) < fmt.Sprint(y.Labels) })
				if diff := cmp.Diff(a.Want, got, byLabels, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s after %s (-want +got):\n%s", a.Name, time.Duration(a.At), diff)
				}
				fired[a.Name] = fired[a.Name] || len(a.Want) > 0
				silent[a.Name] = silent[a.Name] || len(a.Want) == 0 && len(c.Series) > 0
			}
		})
	}
	for name := range all {
		if !fired[name] || !silent[name] {
			t.Errorf("%s has a case in which it fires: %v, and one in which it is silent: %v", name, fired[name], silent[name])
		}
	}
}

// firing evaluates a rule again and again up to a moment, as Prometheus does, and returns the alerts that fire then.
func firing(t *testing.T, r rule, scraped *memory, every, until time.Duration) (alerts []alert) {
	t.Helper()
	engine, since := newEngine(), map[string]time.Duration{}
	for now := time.Duration(0); now <= until; now += every {
		found := ask(t, engine, scraped, r.Expr, now)
		active := map[string]time.Duration{}
		alerts = nil
		for _, s := range found {
			key := s.Metric.DropReserved(func(name string) bool { return name == model.MetricNameLabel }).String()
			active[key] = now
			if began, ok := since[key]; ok {
				active[key] = began
			}
			if now-active[key] >= time.Duration(r.For) {
				alerts = append(alerts, expand(t, r, s))
			}
		}
		since = active
	}
	return alerts
}

// expand fills the labels and annotations of an alert.
func expand(t *testing.T, r rule, s promql.Sample) alert {
	t.Helper()
	a := alert{Labels: s.Metric.Map(), Annotations: map[string]string{}}
	delete(a.Labels, model.MetricNameLabel)
	data := template.AlertTemplateData(a.Labels, nil, "", s)
	text := func(text string) string {
		expanded, err := template.NewTemplateExpander(t.Context(), "{{$labels := .Labels}}{{$value := .Value}}"+text, r.Alert, data,
			model.Time(s.T), nil, &url.URL{}, []string{"missingkey=error"}).Expand()
		if err != nil {
			t.Fatalf("%s: %v", r.Alert, err)
		}
		return expanded
	}
	for name, value := range r.Annotations {
		a.Annotations[name] = text(value)
	}
	labelled := map[string]string{"alertname": r.Alert}
	for name, value := range a.Labels {
		labelled[name] = value
	}
	for name, value := range r.Labels {
		labelled[name] = text(value)
	}
	a.Labels = labelled
	return a
}
