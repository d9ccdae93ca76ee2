package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const ingress = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec:
  ingressClassName: kong
  rules: [{http: {paths: [{path: /a, pathType: Exact, backend: {service: {name: cart, port: {number: 80}}}}]}}]
`

const service = `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "cart"}, "spec": {"ports": [{"port": 80}]}}`

// call runs the command.
func call(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = command(args, strings.NewReader(stdin), &out, &err)
	return code, out.String(), err.String()
}

func TestRenderReadsFilesFoldersAndStandardInput(t *testing.T) {
	folder := t.TempDir()
	inner := filepath.Join(folder, "inner")
	if err := os.Mkdir(inner, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"service.json": service, "notes.txt": "not a manifest: ["} {
		if err := os.WriteFile(filepath.Join(inner, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, stdout, stderr := call(t, ingress, "render", "-strict", "-router-flavor", "expressions", folder, "-")
	if code != 0 || stderr != "" || !strings.Contains(stdout, `expression: http.path == "/a"`) || !strings.Contains(stdout, "k8s-name:cart") {
		t.Errorf("code %d, standard error %q, configuration:\n%s", code, stderr, stdout)
	}
}

func TestRenderSaysWhatIsWrong(t *testing.T) {
	unreadable := filepath.Join(t.TempDir(), "missing.yaml")
	for _, c := range []struct {
		what, stdin string
		args        []string
		code        int
		stderr      string
	}{
		{"a problem", ingress, []string{"render", "-"}, 0, "Unresolved Ingress/default/shop: there is no Service default/cart\n"},
		{"a problem that counts", ingress, []string{"render", "-strict", "-"}, exitProblems, "Unresolved Ingress/default/shop: "},
		{"text that is no YAML", "a: [", []string{"render", "-"}, exitFailed, "standard input: document 1: "},
		{"a document that is no object", "a: 1", []string{"render", "-"}, exitFailed, "not an object of Kubernetes"},
		{"a file that is not there", "", []string{"render", unreadable}, exitFailed, "missing.yaml"},
		{"a flavor that is none", "", []string{"render", "-router-flavor", "fast", "-"}, exitUsage, "-router-flavor"},
		{"a format that is none", "", []string{"render", "-output", "toml", "-"}, exitUsage, "-output is"},
		{"no input", "", []string{"render"}, exitUsage, "render needs"},
		{"no command", "", nil, exitUsage, "silverback-kubernetes render"},
		{"an unknown flag", "", []string{"render", "-x"}, exitUsage, "-x"},
	} {
		code, stdout, stderr := call(t, c.stdin, c.args...)
		if code != c.code || !strings.Contains(stderr, c.stderr) {
			t.Errorf("%s: code %d and %q, want %d and %q", c.what, code, stderr, c.code, c.stderr)
		}
		if wants := c.code == 0 || c.code == exitProblems; wants != (stdout != "") {
			t.Errorf("%s: printed %q", c.what, stdout)
		}
	}
}

func TestOriginsNameTheObjects(t *testing.T) {
	code, stdout, _ := call(t, ingress, "render", "-origins", "-")
	var said struct {
		Config   map[string]any
		Problems []struct{ Reason string }
		Origins  []struct {
			Kind, Name string
			Objects    []struct{ Kind, Namespace, Name string }
		}
	}
	if err := json.Unmarshal([]byte(stdout), &said); err != nil || code != 0 {
		t.Fatalf("code %d, %v:\n%s", code, err, stdout)
	}
	if len(said.Problems) != 1 || said.Problems[0].Reason != "Unresolved" || said.Config["services"] == nil {
		t.Errorf("problems %+v, configuration %+v", said.Problems, said.Config)
	}
	for _, origin := range said.Origins {
		if origin.Kind == "routes" && origin.Name == "default.shop.cart..80" && origin.Objects[0].Name == "shop" {
			return
		}
	}
	t.Errorf("no origin says that the route came from the Ingress: %+v", said.Origins)
}

// TestDefaultsAreFilledInUnlessAskedOtherwise has a reference without a kind: an API server makes it one to a Service.
func TestDefaultsAreFilledInUnlessAskedOtherwise(t *testing.T) {
	const route = `
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: web}
spec: {ports: [{port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: web}
spec: {rules: [{backendRefs: [{name: cart, port: 80}]}]}
`
	stdin := "---\n" + route
	_, filled, _ := call(t, stdin, "render", "-")
	_, given, _ := call(t, stdin, "render", "-as-given", "-")
	if !strings.Contains(filled, "- ~/$") || strings.Contains(filled, "request-termination") {
		t.Errorf("with defaults:\n%s", filled)
	}
	if !strings.Contains(given, "request-termination") {
		t.Errorf("as given:\n%s", given)
	}
}
