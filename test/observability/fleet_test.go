package observability_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"

	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/lab"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/test/dashboards"
	"github.com/silverback-gateway/silverback/test/process"
)

// The time between two scrapes, as Prometheus is made to believe.
const between = 30 * time.Second

var errStop = errors.New("the test is over")

// startLab runs a fleet until the test ends, and returns when every gateway serves what it was given.
func startLab(t *testing.T) *lab.Lab {
	t.Helper()
	document, err := os.ReadFile(at(t, "lab", "cmd", "silverback-lab", "example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := lab.New(t.Context(), lab.Config{Dir: t.TempDir(), FreePorts: true, Document: document, Name: "example.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	t.Cleanup(func() {
		stop(errStop)
		if err := <-ended; !errors.Is(err, errStop) {
			t.Errorf("the lab ended with %v", err)
		}
	})
	return l
}

// scrapeFleet adds one scrape of every process, with the labels that deploy/observability/prometheus.yaml gives them.
func scrapeFleet(t *testing.T, l *lab.Lab, into map[string]*promql.Series, when time.Duration) {
	t.Helper()
	for name, address := range l.Metrics() {
		job := "silverback-" + name[:strings.LastIndexByte(name, '-')]
		keep(into, scrape(t, "http://"+address+"/metrics"), when, "job", job, "instance", address)
	}
	for _, m := range l.Gateways() {
		address := m.HTTP
		keep(into, scrape(t, "http://"+address+"/metrics"), when, "job", "silverback-agent", "instance", address, "group", lab.Group, "node",
			m.Name)
		keep(into, scrape(t, "http://"+address+"/gateway/metrics"), when, "job", "kong", "instance", address, "group", lab.Group, "node", m.Name)
	}
	ofEtcd, err := prometheus.DefaultGatherer.Gather() // the lab's etcd is in this process
	if err != nil {
		t.Fatal(err)
	}
	keep(into, ofEtcd, when, "job", "etcd", "instance", "etcd")
	certificates := prometheus.NewRegistry() // the lab has no TLS; a process that has tells this too
	certificates.MustRegister(tlsfiles.Expiry(certificate(t)))
	ofCertificates, err := certificates.Gather()
	if err != nil {
		t.Fatal(err)
	}
	keep(into, ofCertificates, when, "job", "silverback-registry", "instance", "tls")
	for _, s := range into { // a series that was not scraped again is over
		if s.Floats[len(s.Floats)-1].T != when.Milliseconds() {
			s.Floats = append(s.Floats, promql.FPoint{T: when.Milliseconds(), F: math.Float64frombits(value.StaleNaN)})
		}
	}
}

// keep adds samples to series, which it knows by their labels.
func keep(into map[string]*promql.Series, families []*dto.MetricFamily, when time.Duration, target ...string) {
	put := func(name string, own []*dto.LabelPair, sample float64, more ...string) {
		b := labels.NewBuilder(labels.FromStrings(append(slices.Clone(target), more...)...)).Set(model.MetricNameLabel, name)
		for _, l := range own {
			b.Set(l.GetName(), l.GetValue())
		}
		metric := b.Labels()
		s, ok := into[metric.String()]
		if !ok {
			s = &promql.Series{Metric: metric}
			into[metric.String()] = s
		}
		s.Floats = append(s.Floats, promql.FPoint{T: when.Milliseconds(), F: sample})
	}
	put("up", nil, 1)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch name := f.GetName(); f.GetType() {
			case dto.MetricType_COUNTER:
				put(name, m.GetLabel(), m.GetCounter().GetValue())
			case dto.MetricType_GAUGE:
				put(name, m.GetLabel(), m.GetGauge().GetValue())
			case dto.MetricType_HISTOGRAM:
				h := m.GetHistogram()
				put(name+"_sum", m.GetLabel(), h.GetSampleSum())
				put(name+"_count", m.GetLabel(), float64(h.GetSampleCount()))
				put(name+"_bucket", m.GetLabel(), float64(h.GetSampleCount()), "le", "+Inf")
				for _, b := range h.GetBucket() {
					put(name+"_bucket", m.GetLabel(), float64(b.GetCumulativeCount()), "le", fmt.Sprint(b.GetUpperBound()))
				}
			}
		}
	}
}

// submit makes changes that every replica of the translator gets some of, and returns the newest revision.
func submit(t *testing.T, l *lab.Lab, message string) (newest int64) {
	t.Helper()
	conn, err := rpc.Dial(rpc.ClientConfig{Addresses: l.Translator()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for i := range 4 {
		document := fmt.Sprintf("_format_version: \"3.0\"\nservices:\n- name: second\n  url: http://127.0.0.1:9\n  routes:\n  - name: second\n "+
			"   paths: [/%s/%d]\n", message, i)
		answer, err := translatorv1.NewTranslatorServiceClient(conn).SubmitConfig(t.Context(), &translatorv1.SubmitConfigRequest{
			Group: lab.Group, Source: "second", Documents: []*translatorv1.Document{{Name: "second.yaml", Content: []byte(document)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		newest = answer.GetRevision().GetNumber()
	}
	return newest
}

// converged asks every registry what dashboards will be told.
func converged(t *testing.T, l *lab.Lab, revision int64) error {
	agreed := 0
	for name, address := range l.Metrics() {
		if !strings.HasPrefix(name, "registry-") {
			continue
		}
		for _, f := range scrape(t, "http://"+address+"/metrics") {
			if f.GetName() != "silverback_revision_nodes" {
				continue
			}
			if len(f.GetMetric()) == 1 && f.GetMetric()[0].GetLabel()[1].GetValue() == fmt.Sprint(revision) &&
				f.GetMetric()[0].GetGauge().GetValue() == float64(len(l.Gateways())) {
				agreed++
			}
		}
	}
	if agreed != 2 {
		return fmt.Errorf("%d replicas agree", agreed)
	}
	return nil
}

// certificate writes one that is good for a year.
func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(1, 0, 0)},
		&x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "tls.crt")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// sampled are not known before an agent has watched its gateway for a while, and some only with traffic and Kong's own plugin. Those of
// webhooks are of fleets that have some.
var sampled = []string{
	"silverback_agent_gateway_error_ratio", "silverback_agent_gateway_latency_p99_seconds", "silverback_agent_gateway_memory_bytes",
	"silverback_distributor_webhook_requests_total", "silverback_distributor_webhook_dead_letters_total",
	"silverback_distributor_webhook_lag_seconds",
}

// A fleet that takes a change fills every panel: none asks for a label or a value that nobody has.
func TestAFleetAtWorkFillsTheDashboards(t *testing.T) {
	l := startLab(t)
	first, err := l.Seed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	process.Eventually(t, time.Minute, "every replica of the registry heard that all serve it", func() error { return converged(t, l, first) })
	scraped := map[string]*promql.Series{}
	scrapeFleet(t, l, scraped, 0)
	for i, message := range []string{"one", "two"} {
		revision := submit(t, l, message)
		process.Eventually(t, time.Minute, "every replica of the registry heard that all serve it",
			func() error { return converged(t, l, revision) })
		scrapeFleet(t, l, scraped, time.Duration(i+1)*between)
	}
	now := 2 * between
	var prometheusHas memory
	for _, key := range slices.Sorted(maps.Keys(scraped)) {
		prometheusHas = append(prometheusHas, *scraped[key])
	}
	engine := newEngine()
	for _, d := range read(t) {
		for _, p := range d.Panels() {
			for _, target := range p.Targets {
				if slices.ContainsFunc(metricsOf(t, dashboards.Plain(target.Expr)), func(name string) bool { return slices.Contains(sampled, name) }) {
					continue
				}
				if got := ask(t, engine, &prometheusHas, dashboards.Plain(target.Expr), now); len(got) == 0 {
					t.Errorf("%s: the panel %q is empty: %s", d.File, p.Title, target.Expr)
				}
			}
		}
	}
	// No alert is ripe in a healthy fleet, however long it would have to stand.
	for name, r := range rules(t) {
		if slices.ContainsFunc(metricsOf(t, r.Expr), func(name string) bool { return strings.HasSuffix(name, "_seconds_bucket") }) {
			continue // how fast a machine is that does much else says nothing about a fleet
		}
		if got := ask(t, engine, &prometheusHas, r.Expr, now); len(got) > 0 {
			t.Errorf("%s is about to fire for a healthy fleet: %s", name, got)
		}
	}
}
