package k8s_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write deploy/k8s/overlays/production/rules.yaml anew from deploy/observability/alerts.yaml")

// kustomize reads no file outside of what it builds, so the operator's form of the alert rules is a file of its own.
func TestPrometheusRuleIsTheAlertRules(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "deploy", "observability", "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var spec monitoring.PrometheusRuleSpec
	if err := yaml.UnmarshalStrict(text, &spec); err != nil {
		t.Fatal(err)
	}
	if len(spec.Groups) == 0 {
		t.Fatal("there are no alert rules")
	}
	body, err := yaml.Marshal(map[string]any{
		"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": map[string]any{"name": "silverback"}, "spec": spec,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := append([]byte("# Made from deploy/observability/alerts.yaml by: go test ./test/k8s -run TestPrometheusRuleIsTheAlertRules "+
		"-count=1 -update\n"), body...)
	file := filepath.Join(manifests(t), "overlays", "production", "rules.yaml")
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what alerts.yaml says; its first line says how to make it anew", file)
	}
}
