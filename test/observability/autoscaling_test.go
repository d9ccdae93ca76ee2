package observability_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// adapterConfig is the part of prometheus-adapter's configuration that is used; other fields are refused.
type adapterConfig struct {
	Rules []struct {
		SeriesQuery string `yaml:"seriesQuery"`
		Resources   struct {
			Overrides map[string]struct {
				Resource string `yaml:"resource"`
			} `yaml:"overrides"`
		} `yaml:"resources"`
		Name struct {
			As string `yaml:"as"`
		} `yaml:"name"`
		MetricsQuery string `yaml:"metricsQuery"`
	} `yaml:"rules"`
}

// A Prometheus that scrapes as overlays/production says is asked as the adapter asks for an autoscaler: for all Pods of a Deployment.
func TestGatewaysAreScaledByTheirRequests(t *testing.T) {
	var config adapterConfig
	readYAML(t, at(t, "deploy", "observability", "autoscaling", "prometheus-adapter.yaml"), &config)
	if len(config.Rules) != 1 || config.Rules[0].Name.As != "silverback_gateway_requests_per_second" {
		t.Fatalf("the rules are %+v", config.Rules)
	}
	rule, known := config.Rules[0], knownMetrics(t)
	metrics := metricsOf(t, rule.SeriesQuery)
	if len(metrics) != 1 || !known[metrics[0]] {
		t.Fatalf("%s asks for %v, which no process tells", rule.SeriesQuery, metrics)
	}
	gateway := kongtest.Start(t)
	has := false
	for _, f := range scrape(t, gateway.StatusURL()+"/metrics") {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				has = has || f.GetName() == metrics[0] && l.GetName() == "subsystem" && l.GetValue() == "http"
			}
		}
	}
	if !has {
		t.Errorf("a gateway does not tell %s with the label that the rule asks for", metrics[0])
	}
	var prometheusHas memory
	load := func(labels, values string) {
		prometheusHas.load(t, metrics[0]+"{job=\"kong\",group=\"default\",subsystem=\"http\","+labels+"}", values, 15*time.Second)
	}
	load(`namespace="silverback",pod="gateway-a",node_id="1"`, "0+1500x10 _x10") // 100 a second, until Kong was started anew
	load(`namespace="silverback",pod="gateway-a",node_id="2"`, "_x11 0+3000x9")  // 200 a second
	load(`namespace="silverback",pod="gateway-b",node_id="3"`, "0+750x20")       // 50 a second
	load(`namespace="other",pod="gateway-a",node_id="4"`, "0+90000x20")
	load(`pod="",node_id="5"`, "0+90000x20") // of a gateway outside of Kubernetes
	engine, now := newEngine(), 5*time.Minute
	for _, s := range ask(t, engine, &prometheusHas, rule.SeriesQuery, now) {
		for label, of := range rule.Resources.Overrides {
			if s.Metric.Get(label) == "" || of.Resource != label {
				t.Errorf("%s has no %s, which is the resource %s", s.Metric, label, of.Resource)
			}
		}
	}
	var query strings.Builder
	parsed, err := template.New("").Delims("<<", ">>").Parse(rule.MetricsQuery)
	if err == nil {
		err = parsed.Execute(&query, map[string]string{"Series": metrics[0], "GroupBy": "pod",
			"LabelMatchers": `namespace="silverback",pod=~"gateway-a|gateway-b"`})
	}
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range ask(t, engine, &prometheusHas, query.String(), now) {
		got = append(got, fmt.Sprintf("%s %d", s.Metric.Get("pod"), int(math.Round(s.F))))
	}
	slices.Sort(got)
	if want := []string{"gateway-a 200", "gateway-b 50"}; !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", &query, got, want)
	}
}
