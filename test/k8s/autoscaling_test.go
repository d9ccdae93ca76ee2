package k8s_test

import (
	"os"
	"path/filepath"
	"testing"

	autoscaling "k8s.io/api/autoscaling/v2"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// The component changes what the autoscaler measures and nothing else, and asks for a metric that the adapter's rule makes.
func TestAutoscalingByRequests(t *testing.T) {
	dir := filepath.Join(root(t), "deploy", "observability", "autoscaling")
	text, err := os.ReadFile(filepath.Join(dir, "prometheus-adapter.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var adapter struct {
		Rules []struct {
			Name struct {
				As string `json:"as"`
			} `json:"name"`
		} `json:"rules"`
	}
	if err := yaml.Unmarshal(text, &adapter); err != nil { // test/observability reads it strictly
		t.Fatal(err)
	}
	if text, err = os.ReadFile(filepath.Join(dir, "kustomization.yaml")); err != nil {
		t.Fatal(err)
	}
	var component types.Kustomization
	if err := yaml.UnmarshalStrict(text, &component); err != nil {
		t.Fatal(err)
	}
	const resources = "resources: [../silverback/deploy/k8s/overlays/production]\n"
	plain := own(t, map[string]string{"kustomization.yaml": resources})
	f := own(t, map[string]string{
		"kustomization.yaml": resources + "components: [../silverback/deploy/observability/autoscaling]\n",
	})
	for _, r := range rules {
		r(f, t.Errorf)
	}
	if len(f.scalers) != 1 || len(plain.scalers) != 1 {
		t.Fatalf("%d autoscalers", len(f.scalers))
	}
	got, was := f.scalers[0].Spec, plain.scalers[0].Spec
	if len(got.Metrics) != 2 || got.Metrics[1].ContainerResource == nil ||
		*got.Metrics[1].ContainerResource.Target.AverageUtilization != *was.Metrics[0].ContainerResource.Target.AverageUtilization {
		t.Errorf("the processor is not measured as before: %+v", got.Metrics)
	}
	m := got.Metrics[0].Pods
	if m == nil || len(adapter.Rules) != 1 || m.Metric.Name != adapter.Rules[0].Name.As ||
		m.Target.Type != autoscaling.AverageValueMetricType || m.Target.AverageValue.Sign() <= 0 {
		t.Errorf("requests are measured by %+v, and the adapter has %+v", m, adapter.Rules)
	}
	if got.MinReplicas == nil || *got.MinReplicas != *was.MinReplicas || got.MaxReplicas != was.MaxReplicas || got.Behavior == nil ||
		*got.Behavior.ScaleDown.StabilizationWindowSeconds != *was.Behavior.ScaleDown.StabilizationWindowSeconds {
		t.Errorf("more than the metrics is changed: %+v", got)
	}
}
