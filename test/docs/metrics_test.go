package docs_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/silverback-gateway/silverback/agent"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/services/distributor"
	"github.com/silverback-gateway/silverback/services/registry"
	"github.com/silverback-gateway/silverback/services/translator"
)

// registries returns the metrics of every process, as its constructors register them. Nothing is run.
func registries(t *testing.T) map[string]*prometheus.Registry {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	// A client that nobody uses does not connect.
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{"127.0.0.1:1"}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = etcd.Close() })
	all := map[string]*prometheus.Registry{}
	for _, name := range []string{"registry", "translator", "distributor", "agent"} {
		all[name] = telemetry.NewMetrics()
		all[name].MustRegister(tlsfiles.Expiry())
		if name != "agent" {
			etcdkv.NewMetrics(all[name])
		}
	}
	if _, err := registry.New(registry.Config{}, registry.Deps{Etcd: etcd, Log: log, Metrics: all["registry"]}); err != nil {
		t.Fatal(err)
	}
	translator.New(translator.Config{}, translator.Deps{Etcd: etcd, Log: log, Metrics: all["translator"]})
	if _, err := distributor.New(distributor.Config{}, distributor.Deps{Etcd: etcd, Log: log, Metrics: all["distributor"]}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"registry", "translator", "distributor"} {
		server, err := rpcserver.New(rpcserver.Config{Listen: "127.0.0.1:0"}, rpcserver.Deps{Log: log, Metrics: all[name]})
		if err != nil {
			t.Fatal(err)
		}
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = server.Serve(ended) // closes the listener
	}
	a, err := agent.New(agent.Config{
		Group: "default", Node: "n", Registry: []string{"127.0.0.1:1"}, Distributor: []string{"127.0.0.1:1"},
		KongAdmin: "http://127.0.0.1:1", KongProxy: "http://127.0.0.1:1", StateDir: filepath.Join(t.TempDir(), "state"),
	}, agent.Deps{Log: log, Metrics: all["agent"]})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return all
}

var desc = regexp.MustCompile(`^Desc\{fqName: "([^"]+)".*variableLabels: \{([^}]*)\}\}$`)

// described returns the names and labels of what a registry has, without what Go and the process tell.
func described(t *testing.T, r *prometheus.Registry) map[string][]string {
	t.Helper()
	descs := make(chan *prometheus.Desc)
	go func() { defer close(descs); r.Describe(descs) }()
	all := map[string][]string{}
	for d := range descs {
		m := desc.FindStringSubmatch(d.String())
		if m == nil {
			t.Errorf("cannot read %s", d)
			continue
		}
		if !strings.HasPrefix(m[1], "silverback_") && !strings.HasPrefix(m[1], "grpc_") {
			continue
		}
		labels := strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' || r == ' ' })
		slices.Sort(labels)
		all[m[1]] = labels
	}
	return all
}

func TestEveryMetricIsDocumented(t *testing.T) {
	code, labels, types := map[string]string{}, map[string][]string{}, map[string]string{}
	for process, r := range registries(t) {
		for name, l := range described(t, r) {
			code[name], labels[name] = process, l
		}
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			types[f.GetName()] = strings.ToLower(f.GetType().String())
		}
	}
	for name, file := range kubernetesMetrics(t) {
		code[name] = file
	}
	var documented []string
	for _, cells := range rows(page(t, "metrics.md")) {
		for _, name := range names(cells[0]) {
			if !strings.HasPrefix(name, "silverback_") && !strings.HasPrefix(name, "grpc_") || len(cells) != 4 {
				continue
			}
			documented = append(documented, name)
			// One without values yet does not tell its type.
			if want, ok := types[name]; ok && cells[1] != want {
				t.Errorf("docs/metrics.md calls %s a %s; it is a %s", name, cells[1], want)
			}
			if got := names(cells[2]); strings.HasPrefix(name, "silverback_") {
				slices.Sort(got)
				if want, ok := labels[name]; ok && !slices.Equal(got, want) {
					t.Errorf("docs/metrics.md gives %s the labels %q; it has %q", name, got, want)
				}
			}
		}
	}
	compare(t, "metrics.md", documented, code)
}

// kubernetesMetrics finds the names of metrics in the module of Kubernetes, whose constructors cannot be called from this one.
func kubernetesMetrics(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	files, err := filepath.Glob(filepath.Join(root(t), "sources", "kubernetes", "*", "metrics.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`Name:\s+"(silverback_kubernetes_[a-z_]+)"`).FindAllSubmatch(text, -1) {
			found[string(name[1])] = file
		}
	}
	if len(found) < 5 {
		t.Errorf("only %d metrics found in %v", len(found), files)
	}
	return found
}
