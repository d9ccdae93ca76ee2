package imports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// translated is the translation of the manifests in these tests.
const translated = `{"config": {"_format_version": "3.0",
	"services": [{"name": "web.cart.80", "host": "cart.web.80.svc", "tags": ["k8s-name:cart", "k8s-namespace:web", "k8s-kind:Service"],
		"routes": [{"name": "web.shop.cart..80", "paths": ["/a", "/b"],
			"tags": ["k8s-name:shop", "k8s-namespace:web", "k8s-kind:Ingress"]}]}],
	"plugins": [{"name": "rate-limiting", "service": "web.cart.80", "config": {"minute": 5}}],
	"consumers": [{"username": "ann", "keyauth_credentials": [{"key": "s3cret"}]}]},
	"problems": [{"objects": [{"kind": "Ingress", "namespace": "web", "name": "old"}],
		"reason": "Unsupported", "message": "no"}], "origins": []}`

// config returns the configuration only.
func config(t *testing.T) string {
	t.Helper()
	var said struct{ Config json.RawMessage }
	if err := json.Unmarshal([]byte(translated), &said); err != nil {
		t.Fatal(err)
	}
	return string(said.Config)
}

// translator puts a command into PATH that prints text as its translation, and returns a file with its arguments.
func translator(t *testing.T, text string) (arguments string) {
	t.Helper()
	dir := t.TempDir()
	arguments = filepath.Join(dir, "arguments")
	for name, content := range map[string]string{
		"text":                  text,
		"silverback-kubernetes": "#!/bin/sh\necho \"$*\" > " + arguments + "\nexec /bin/cat " + filepath.Join(dir, "text") + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o700); err != nil { //nolint:gosec // it is run
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	return arguments
}

// compareKIC runs the command.
func compareKIC(t *testing.T, format show.Format, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app.App{
		In: strings.NewReader(""), Out: &stdout, Err: &stderr, LookupEnv: func(string) (string, bool) { return "", false },
		Flags: app.Flags{Timeout: time.Minute, Output: format},
	}
	cmd := KIC(a)
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(t.Context())
	var exit *app.Exit
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(&stderr, err)
	}
	return app.Code(err), stdout.String(), stderr.String()
}

// diagnostics is a diagnostics server of Kong Ingress Controller.
func diagnostics(t *testing.T, answers map[string]string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := answers[r.URL.Path]
		switch {
		case r.Method != http.MethodGet:
			t.Errorf("%s %s", r.Method, r.URL)
		case !ok:
			w.WriteHeader(http.StatusNotFound)
		case text == "":
			w.WriteHeader(http.StatusNoContent)
		default:
			fmt.Fprint(w, text)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func TestADumpWithoutADifference(t *testing.T) {
	arguments := translator(t, translated)
	server := diagnostics(t, map[string]string{
		"/debug/config/successful": `{"hash": "x", "config": ` + config(t) + `}`,
		"/debug/config/fallback":   `{"status": "triggered", "brokenObjects": [{"kind": "Ingress", "namespace": "web", "name": "bad"}]}`,
	})
	code, out, errs := compareKIC(t, show.Table, "--dump", server.URL, "--kubernetes-setting", "service-facade", "manifests/")
	if code != app.ExitDone || !strings.Contains(out, "no difference from what Kong Ingress Controller at ") ||
		!strings.Contains(out, "5 entities are equal\n") ||
		!strings.Contains(out, "next: silverback apply --from kubernetes --kubernetes-setting service-facade -g GROUP --wait manifests/") {
		t.Errorf("code %d:\n%s", code, out)
	}
	if !strings.Contains(errs, "which omits what depends on Ingress web/bad") ||
		!strings.Contains(errs, "warning: Ingress web/old: Unsupported: no") {
		t.Errorf("warnings: %s", errs)
	}
	if text, err := os.ReadFile(arguments); string(text) != "render -origins -service-facade -- manifests/\n" {
		t.Errorf("the translation was asked for with %q, %v", text, err)
	}
}

func TestADumpWithDifferences(t *testing.T) {
	translator(t, translated)
	text := strings.NewReplacer(`["/a", "/b"]`, `["/a"]`, `"s3cret"`, `"{vault://redacted-value}"`,
		`{"minute": 5}`, `{"minute": 5, "policy": "local"}`,
		`"consumers"`, `"upstreams": [{"name": "kong"}], "consumers"`).Replace(config(t))
	file := filepath.Join(t.TempDir(), "dump.json")
	if err := os.WriteFile(file, []byte(`{"hash": "x", "config": `+text+`}`), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, _ := compareKIC(t, show.Table, "--dump", file, "-")
	const want = `no object:
- upstream kong

Ingress web/shop:
~ route web.shop.cart..80 of service web.cart.80
    paths: ["/a"] → ["/a","/b"]

0 added, 1 changed, 1 removed by a move, against FILE; 4 entities are equal
unknown: 1 secret that is hidden; the controller shows those of a dump with --dump-sensitive-config
unknown: 1 setting of a plugin that the other side has alone, most likely defaults; with --admin a gateway's schemas tell
`
	if got := strings.ReplaceAll(out, file, "FILE"); code != app.ExitDifference || got != want {
		t.Errorf("code %d:\n%s", code, got)
	}
	_, out, _ = compareKIC(t, show.Table, "--dump", file, "--summary", "-")
	if !strings.HasPrefix(out, "no object: 0 added, 0 changed, 1 removed\nIngress web/shop: 0 added, 1 changed, 0 removed\n0 added") {
		t.Errorf("the summary is\n%s", out)
	}
	_, out, _ = compareKIC(t, show.JSON, "--dump", file, "-")
	var said struct {
		Form             string
		Summary, Unknown map[string]int
		Objects          []struct {
			Kind    string
			Changes []struct {
				Operation string
				Fields    []struct{ Path string }
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &said); err != nil || said.Form != "dump" ||
		said.Summary["equal"] != 4 || said.Unknown["redacted"] != 1 ||
		len(said.Objects) != 2 || said.Objects[1].Kind != "Ingress" || said.Objects[1].Changes[0].Operation != "OPERATION_CHANGED" ||
		said.Objects[1].Changes[0].Fields[0].Path != "paths" {
		t.Errorf("programs are told %v, %+v:\n%s", err, said, out)
	}
	if strings.Contains(out, "s3cret") {
		t.Error("the secret is told")
	}
}

// TestAGatewayIsCompared has a simulated gateway that serves the translation except one path.
func TestAGatewayIsCompared(t *testing.T) {
	translator(t, translated)
	schemas := t.TempDir()
	if err := os.Mkdir(filepath.Join(schemas, "plugins"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(schemas, "plugins", "rate-limiting.json"), []byte(`{"fields": [{"config": {"type": "record", `+
		`"required": true, "fields": [{"minute": {"type": "number"}}, {"hour": {"type": "number"}}, {"policy": {"type": "string", "default": `+
		`"local"}}]}}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	g := kongtest.Start(t, kongtest.SwitchAfter(0), func(o *kongtest.Options) { o.SchemaDir = schemas })
	post := func(text string) {
		answer, err := http.Post(g.AdminURL()+"/config", "application/json", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusCreated {
			t.Fatalf("status %d", answer.StatusCode)
		}
	}
	post(config(t))
	code, out, errs := compareKIC(t, show.Table, "--admin", g.AdminURL(), "-")
	if code != app.ExitDone || strings.Contains(out, "unknown") ||
		!strings.Contains(out, "no difference from the configuration of the gateway at ") {
		t.Errorf("code %d:\n%s%s", code, out, errs)
	}
	post(strings.NewReplacer(`"/b"`, `"/c"`, `"minute": 5`, `"minute": 5, "hour": 70, "policy": "local"`).Replace(config(t)))
	code, out, _ = compareKIC(t, show.Table, "--admin", g.AdminURL(), "-")
	if code != app.ExitDifference || !strings.Contains(out, `paths: ["/a","/c"] → ["/a","/b"]`) ||
		!strings.Contains(out, "config.hour: 70 → (none)") ||
		!strings.Contains(out, "0 added, 2 changed, 0 removed") {
		t.Errorf("code %d:\n%s", code, out)
	}
}

func TestWhatCannotBeCompared(t *testing.T) {
	translator(t, translated)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "text"), []byte("kind: s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	database := diagnostics(t, map[string]string{"/": `{"version": "3.9.3", "configuration": {"database": "postgres"}}`})
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"nothing":                   {[]string{"-"}, "give --dump, --admin, or both"},
		"no manifests":              {[]string{"--dump", filepath.Join(folder, "text")}, ""},
		"a file that is no dump":    {[]string{"--dump", filepath.Join(folder, "text"), "-"}, "not a configuration of Kong"},
		"a file that is not there":  {[]string{"--dump", filepath.Join(folder, "none"), "-"}, "no such file"},
		"dumps that are off":        {[]string{"--dump", diagnostics(t, nil).URL, "-"}, "does it run with --dump-config?"},
		"nothing sent yet":          {[]string{"--dump", diagnostics(t, map[string]string{lastSent: ""}).URL, "-"}, "has not sent"},
		"a gateway with a database": {[]string{"--admin", database.URL, "-"}, "has a database"},
		"an address with a secret":  {[]string{"--dump", "http://u:s3cret@kong:10256", "-"}, "--dump-header-file"},
		"files of TLS for http":     {[]string{"--dump", "http://kong:10256", "--dump-ca-file", "x", "-"}, "--dump-ca-file"},
		"a setting that is none": {[]string{"--dump", diagnostics(t, map[string]string{lastSent: `{"config":` + config(t) + `}`}).URL,
			"--kubernetes-setting", "output=json", "-"}, "is not a setting"},
	} {
		code, out, errs := compareKIC(t, show.Table, tt.args...)
		if code != app.ExitError || !strings.Contains(errs, tt.want) || out != "" || strings.Contains(errs, "s3cret") {
			t.Errorf("%s: code %d, %q and %q", name, code, out, errs)
		}
	}
}

// TestTheFlavorIsThatOfTheOtherSide has a dump with expressions.
func TestTheFlavorIsThatOfTheOtherSide(t *testing.T) {
	const routes = `"_format_version": "3.0", "routes": [{"name": "r", "expression": "http.path == \"/a\"", "priority": 1}]`
	arguments := translator(t, `{"config": {`+routes+`}}`)
	file := filepath.Join(t.TempDir(), "kong.yml")
	if err := os.WriteFile(file, []byte("{"+routes+"}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := compareKIC(t, show.Table, "--dump", file, "-"); code != app.ExitDone {
		t.Errorf("code %d: %s%s", code, out, errs)
	}
	if text, err := os.ReadFile(arguments); string(text) != "render -origins -router-flavor=expressions -- -\n" {
		t.Errorf("the translation was asked for with %q, %v", text, err)
	}
}
