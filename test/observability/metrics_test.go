package observability_test

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// knownMetrics returns the names of all series that a Prometheus beside a fleet can have: what docs/metrics.md lists (which
// test/docs holds to the code), what every process, Kong and etcd tell, and what Prometheus adds itself.
func knownMetrics(t *testing.T) map[string]bool {
	t.Helper()
	known := map[string]bool{"up": true}
	text, err := os.ReadFile(at(t, "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| (`[^|]+`) \\| (counter|gauge|histogram) \\|")
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		for _, name := range strings.Split(m[1], ", ") {
			add(known, strings.Trim(name, "`"), m[2])
		}
	}
	if len(known) < 30 {
		t.Fatalf("docs/metrics.md lists no more than %d series", len(known))
	}
	gathered, err := telemetry.NewMetrics().Gather()
	if err != nil {
		t.Fatal(err)
	}
	etcdtest.Start(t) // its metrics are registered with the default registry
	ofEtcd, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	kong := kongtest.Start(t)
	for _, f := range slices.Concat(gathered, ofEtcd, scrape(t, kong.StatusURL()+"/metrics")) {
		add(known, f.GetName(), strings.ToLower(f.GetType().String()))
	}
	return known
}

func add(known map[string]bool, name, kind string) {
	if kind == "histogram" {
		known[name+"_bucket"], known[name+"_sum"], known[name+"_count"] = true, true, true
		return
	}
	known[name] = true
}

// scrape reads a page of metrics.
func scrape(t *testing.T, url string) (families []*dto.MetricFamily) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(answer.Body)
		t.Fatalf("%s answers %d: %s", url, answer.StatusCode, body)
	}
	reader := expfmt.NewTextParser(model.UTF8Validation)
	byName, err := reader.TextToMetricFamilies(answer.Body)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	for _, f := range byName {
		families = append(families, f)
	}
	return families
}

// metricsOf returns the names of the series that an expression asks for.
func metricsOf(t *testing.T, expr string) (names []string) {
	t.Helper()
	parsed, err := newParser().ParseExpr(expr)
	if err != nil {
		t.Errorf("%s: %v", expr, err)
		return nil
	}
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			if s.Name == "" {
				t.Errorf("%s asks for series without a name", expr)
			}
			names = append(names, s.Name)
		}
		return nil
	})
	return names
}
