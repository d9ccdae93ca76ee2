package k8s_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// examples finds the kustomizations that README.md shows, indented or not.
var examples = regexp.MustCompile("(?ms)^( *)```yaml\n(.*?)^ *```$")

// example returns one of them by its first line.
func example(tb testing.TB, first string) string {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(manifests(tb), "README.md"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, m := range examples.FindAllStringSubmatch(string(text), -1) {
		block := strings.ReplaceAll("\n"+m[2], "\n"+m[1], "\n")[1:]
		if strings.HasPrefix(block, first+"\n") {
			return block
		}
	}
	tb.Fatalf("README.md has no example that begins with %q", first)
	return ""
}

// own builds an overlay of one's own: files by their names, in a folder beside one named silverback.
func own(tb testing.TB, files map[string]string) *fleet {
	tb.Helper()
	dir := tb.TempDir()
	if err := os.Symlink(root(tb), filepath.Join(dir, "silverback")); err != nil {
		tb.Fatal(err)
	}
	for name, text := range files {
		file := filepath.Join(dir, "own", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	result, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(dir, "own"))
	if err != nil {
		tb.Fatal(err)
	}
	text, err := result.AsYaml()
	if err != nil {
		tb.Fatal(err)
	}
	objects, err := decode(string(text))
	if err != nil {
		tb.Fatal(err)
	}
	f, err := newFleet(objects)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// The addresses of an etcd that is there already, as README.md gives them: in place of those that are not, for a server takes a variable
// that is there twice and a later apply may lose either.
func TestOwnOverlayNamesEtcd(t *testing.T) {
	f := own(t, map[string]string{
		"kustomization.yaml": "resources: [../silverback/deploy/k8s/overlays/existing-etcd]\n" + example(t, "patches:"),
	})
	variablesAreKnown(f, t.Errorf)
	for _, w := range f.workloads {
		if w.tier() != "control-plane" {
			continue
		}
		if e := w.pod.Spec.Containers[0].Env[0]; e.Name != "SILVERBACK_ETCD_ENDPOINTS" ||
			!strings.HasPrefix(e.Value, "etcd-a.example.net:2379,") {
			t.Errorf("%s: %s is %s, want the overlay's addresses", w.name, e.Name, e.Value)
		}
	}
}

// A newcomer's overlay, as README.md shows it, with a changed setting and a second group as it shows those. The groups have gateways of
// their own: a Service, a budget or an autoscaler that took the Pods of both would send requests to the other's routes, keep machines from
// being drained, and stop scaling.
func TestOwnOverlayWorks(t *testing.T) {
	tls, err := os.ReadFile(filepath.Join(manifests(t), "overlays", "production", "gateway.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	settings, err := os.ReadFile(filepath.Join(manifests(t), "base", "distributor", "distributor.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	whole := strings.Replace(example(t, "# kustomization.yaml"), "overlays/production\n", "overlays/production\n  - edge\n", 1)
	f := own(t, map[string]string{
		"kustomization.yaml":      whole + example(t, "configMapGenerator:"),
		"distributor.yaml":        string(settings) + "log-level: debug\n",
		"edge/kustomization.yaml": example(t, "# edge/kustomization.yaml"),
		"edge/gateway.yaml":       strings.Replace(string(tls), "/node/default/", "/node/edge/", 1),
	})
	for _, r := range []rule{selectorsMeetPods, portsExist, volumesAreThere, accountsHaveNoRights, imagesAreExact, budgetsHoldOne,
		spreadsAreOfThePod, certificatesAreIssued} {
		r(f, t.Errorf)
	}
	if w, ok := f.workload("gateway-edge"); !ok || w.pod.Labels["silverback-gateway/group"] != "edge" {
		t.Errorf("the second group has gateways: %v, with labels %v", ok, w.pod.Labels)
	}
	targets := map[string]bool{}
	for _, s := range f.scalers {
		targets[s.Spec.ScaleTargetRef.Name] = true
	}
	if len(f.scalers) != 2 || !targets["silverback-gateway"] || !targets["silverback-gateway-edge"] {
		t.Errorf("autoscalers of %v, want one for each group", targets)
	}
	changed := 0
	for _, c := range f.configs {
		if strings.Contains(c.Data["distributor.yaml"], "log-level: debug") {
			changed++
		}
	}
	if changed != 1 || len(f.configs) != 5 { // of three services and two groups
		t.Errorf("%d of %d ConfigMaps have the changed setting, want 1 of 5", changed, len(f.configs))
	}
}
