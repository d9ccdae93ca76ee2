package kongtest_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

const zeros = "00000000000000000000000000000000"

func md5Hex(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

func hashOf(t *testing.T, url string) string {
	t.Helper()
	var status struct {
		Hash string `json:"configuration_hash"`
	}
	if err := json.Unmarshal(get(t, url+"/status").body, &status); err != nil {
		t.Fatal(err)
	}
	return status.Hash
}

func TestItSaysThatItIsASimulation(t *testing.T) {
	g := kongtest.Start(t)
	for _, url := range []string{g.AdminURL() + "/status", g.StatusURL() + "/status", g.ProxyURL()} {
		if server := get(t, url).header.Get("Server"); !strings.Contains(server, "sim") {
			t.Errorf("%s: Server is %q", url, server)
		}
	}
	if !strings.Contains(kongtest.Banner(), "simulation") {
		t.Error("the banner does not say it")
	}
}

func TestItListensOnLoopbackOnly(t *testing.T) {
	if g, err := kongtest.New(kongtest.Options{Admin: "0.0.0.0:0"}); err == nil {
		g.Close()
		t.Fatal("it listens on every interface")
	}
}

func TestF1_EmptyNode(t *testing.T) {
	g := kongtest.Start(t)
	if got := hashOf(t, g.StatusURL()); got != zeros {
		t.Errorf("hash %s", got)
	}
	expect(t, get(t, g.StatusURL()+"/status/ready"), 503, "no configuration available (empty configuration present)")
	expect(t, get(t, g.ProxyURL()+"/x"), 404, "no Route matched with those values")
}

func TestF2_HashIsTheMD5OfTheText(t *testing.T) {
	g := kongtest.Start(t)
	text := terminating("a")
	quoted, _ := json.Marshal(text)
	forms := map[string][2]string{
		"text/yaml":          {text, "text/yaml"},
		"application/yaml":   {text, "application/yaml"},
		"JSON with the text": {`{"config":` + string(quoted) + `}`, "application/json"},
		"multipart": {"--B\r\nContent-Disposition: form-data; name=\"config\"\r\n\r\n" + text + "\r\n--B--\r\n",
			"multipart/form-data; boundary=B"},
		"raw body that calls itself url-encoded": {text, "application/x-www-form-urlencoded"},
	}
	for name, form := range forms {
		got := ask(t, http.MethodPost, g.AdminURL()+"/config", form[0], "Content-Type", form[1])
		if got.status != 201 || g.Hash() != md5Hex(text) {
			t.Errorf("%s: %d, hash %s, want %s", name, got.status, g.Hash(), md5Hex(text))
		}
	}
	mustPost(t, g, text+" ")
	if g.Hash() != md5Hex(text+" ") {
		t.Error("a space more must change the hash")
	}
}

func TestF3_DirectJSONHasAnotherHash(t *testing.T) {
	g := kongtest.Start(t)
	text := terminating("a")
	for range 2 {
		got := ask(t, http.MethodPost, g.AdminURL()+"/config?check_hash=1", text, "Content-Type", "application/json")
		expect(t, got, 201, "")
	}
	if g.Hash() == md5Hex(text) || g.Hash() == zeros {
		t.Errorf("hash %s", g.Hash())
	}
}

func TestF4_SameTextIs304(t *testing.T) {
	g := kongtest.Start(t)
	mustPost(t, g, terminating("a"))
	if got := post(t, g, terminating("a")); got.status != 304 || len(got.body) > 0 {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if g.Loads() != 1 {
		t.Errorf("%d loads", g.Loads())
	}
	got := ask(t, http.MethodPost, g.AdminURL()+"/config?check_hash=true", terminating("a"), "Content-Type", "text/yaml")
	expect(t, got, 201, "")
}

func TestF5_EmptyConfigurationLeavesZeros(t *testing.T) {
	g := kongtest.Start(t)
	mustPost(t, g, terminating("a"))
	got := post(t, g, "{\"_format_version\":\"3.0\"}\n")
	if got.status != 201 || string(got.body) != "{}" || g.Hash() != zeros {
		t.Errorf("got %d %s, hash %s", got.status, got.body, g.Hash())
	}
	expect(t, get(t, g.StatusURL()+"/status/ready"), 503, "")
}

func TestF6_WhatIsWhere(t *testing.T) {
	g := kongtest.Start(t)
	expect(t, get(t, g.AdminURL()+"/status/ready"), 404, "Not found")
	expect(t, get(t, g.StatusURL()+"/config"), 404, "Not found")
	expect(t, get(t, g.StatusURL()+"/"), 404, "Not found")
	expect(t, get(t, g.AdminURL()+"/config"), 200, "")
}

func TestF8_AnswerIsAMapByID(t *testing.T) {
	g := kongtest.Start(t)
	got := post(t, g, `{"_format_version":"3.0","services":[{"name":"echo","url":"http://127.0.0.1:9"}]}`)
	var body map[string]map[string]map[string]any
	if err := json.Unmarshal(got.body, &body); err != nil {
		t.Fatal(err)
	}
	service := body["services"]["adbd70b3-4224-5183-a52a-179d7b34ab5b"]
	if service["host"] != "127.0.0.1" || service["port"] != float64(9) {
		t.Errorf("got %s", got.body)
	}
	contains(t, get(t, g.AdminURL()+"/config").body, "_transform: false")
}

func TestF9_RefusedConfigurationChangesNothing(t *testing.T) {
	g := kongtest.Start(t, kongtest.SwitchAfter(0))
	mustPost(t, g, terminating("a"))
	before := g.Hash()
	expect(t, post(t, g, `{"_format_version":"3.0","routes":[{"name":"r"}]}`), 400, "")
	if g.Hash() != before || g.Loads() != 1 {
		t.Errorf("hash %s after %s", g.Hash(), before)
	}
	expect(t, get(t, g.ProxyURL()), 200, "a")
}

func TestF17_BodyLimit(t *testing.T) {
	g := kongtest.Start(t)
	text := terminating("a")
	expect(t, post(t, g, text+strings.Repeat(" ", 10<<20-len(text))), 201, "")
	got, err := try(t, http.MethodPost, g.AdminURL()+"/config", text+strings.Repeat(" ", 10<<20-len(text)+1), "Content-Type", "text/yaml")
	if err == nil && (got.status != 413 || !bytes.Contains(got.body, []byte("<html>"))) {
		t.Errorf("got %d %s", got.status, got.body)
	}
	unlimited := kongtest.Start(t, kongtest.With(kongtest.Options{BodyLimit: -1}))
	expect(t, post(t, unlimited, text+strings.Repeat(" ", 12<<20)), 201, "")
}

func TestF24_IDs(t *testing.T) {
	g := kongtest.Start(t)
	text := `{"_format_version":"3.0","services":[{"name":"s","host":"h"}],"routes":[{"paths":["/a"]}]}`
	type ids struct{ Services, Routes map[string]any }
	var first, second ids
	for _, into := range []*ids{&first, &second} {
		got := ask(t, http.MethodPost, g.AdminURL()+"/config", text, "Content-Type", "text/yaml")
		if err := json.Unmarshal(got.body, into); err != nil {
			t.Fatal(err)
		}
	}
	for id := range first.Services {
		if second.Services[id] == nil {
			t.Error("the id of a named service must be stable")
		}
	}
	for id := range first.Routes {
		if second.Routes[id] != nil {
			t.Error("the id of an unnamed route must not be stable")
		}
	}
}

func TestF28_SeveralWorkersRefuseAConcurrentPost(t *testing.T) {
	g := kongtest.Start(t, kongtest.Workers(2))
	body := largeText(2000)
	var mu sync.Mutex
	seen := map[int]int{}
	var posts sync.WaitGroup
	for range 8 {
		posts.Go(func() {
			got := ask(t, http.MethodPost, g.AdminURL()+"/config", body, "Content-Type", "text/yaml")
			mu.Lock()
			defer mu.Unlock()
			seen[got.status]++
			if got.status == 429 && got.header.Get("Retry-After") != "10" {
				t.Error("429 without Retry-After")
			}
		})
	}
	posts.Wait()
	if seen[201] == 0 || seen[201]+seen[429] != 8 {
		t.Errorf("got %v", seen)
	}
}

func TestF29_TheConfigurationSurvivesInThePrefix(t *testing.T) {
	prefix := t.TempDir()
	g := kongtest.Start(t, kongtest.SwitchAfter(0), func(o *kongtest.Options) { o.Prefix = prefix })
	mustPost(t, g, terminating("a"))
	hash := g.Hash()
	g.Kill()
	if _, err := try(t, http.MethodGet, g.AdminURL()+"/status", ""); err == nil {
		t.Fatal("a killed gateway answers")
	}
	restart(t, g)
	if got := hashOf(t, g.AdminURL()); got != hash {
		t.Errorf("hash %s, want %s", got, hash)
	}
	expect(t, get(t, g.ProxyURL()), 200, "a")
	expect(t, post(t, g, terminating("a")), 304, "")

	other := kongtest.Start(t, func(o *kongtest.Options) { o.Prefix = prefix })
	if other.Hash() != hash {
		t.Error("another process with the same prefix must find the configuration")
	}
	if err := g.Lose(); err != nil {
		t.Fatal(err)
	}
	restart(t, g)
	if g.Hash() != zeros {
		t.Error("a lost prefix must give zeros")
	}
}

func TestF29_WithoutAPrefixItSurvivesARestart(t *testing.T) {
	g := kongtest.Start(t)
	mustPost(t, g, terminating("a"))
	hash := g.Hash()
	restart(t, g)
	if g.Hash() != hash {
		t.Errorf("hash %s, want %s", g.Hash(), hash)
	}
	if err := g.Lose(); err != nil {
		t.Fatal(err)
	}
	restart(t, g)
	if g.Hash() != zeros {
		t.Error("a lost prefix must give zeros")
	}
}

func TestF30_DeclarativeConfigWinsAtEveryStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kong.json")
	text := terminating("file")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g := kongtest.Start(t, kongtest.DeclarativeConfig(file), kongtest.SwitchAfter(0))
	if g.Hash() != md5Hex(text) {
		t.Errorf("hash %s", g.Hash())
	}
	mustPost(t, g, terminating("posted"))
	restart(t, g)
	if g.Hash() != md5Hex(text) {
		t.Error("a restart must return to the file")
	}
	mustPost(t, g, terminating("posted"))
	if err := os.WriteFile(file, []byte("services: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	g.Reload()
	expect(t, get(t, g.StatusURL()+"/status/ready"), 503, "router builds not yet complete, router ready in 0 of 1 workers")
	expect(t, get(t, g.ProxyURL()), 200, "posted")
	if err := g.Restart(t.Context()); err == nil {
		t.Error("an invalid file must prevent the start")
	}
}

func TestF31_NodeID(t *testing.T) {
	g := kongtest.Start(t)
	id := func() string {
		var root struct {
			NodeID string `json:"node_id"`
		}
		if err := json.Unmarshal(get(t, g.AdminURL()+"/").body, &root); err != nil {
			t.Fatal(err)
		}
		return root.NodeID
	}
	first := id()
	if first != id() {
		t.Error("it changed without a restart")
	}
	restart(t, g)
	if first == id() {
		t.Error("it did not change with a restart")
	}
}

func TestF32_DrainingIsOneWay(t *testing.T) {
	g := kongtest.Start(t, kongtest.SwitchAfter(0))
	mustPost(t, g, terminating("a"))
	ready := g.StatusURL() + "/status/ready"
	expect(t, get(t, ready), 200, "ready")
	expect(t, ask(t, http.MethodPost, ready, `{"status":"draining"}`, "Content-Type", "application/json"), 204, "")
	expect(t, get(t, ready), 503, "draining")
	back := ask(t, http.MethodPost, ready, `{"status":"ready"}`, "Content-Type", "application/json")
	if back.status != 400 || !bytes.Contains(back.body, []byte("<html>")) {
		t.Errorf("got %d %s", back.status, back.body)
	}
	expect(t, get(t, g.ProxyURL()), 200, "a")
	mustPost(t, g, terminating("b"))
	restart(t, g)
	expect(t, get(t, ready), 200, "ready")
}

func TestF33_Reads(t *testing.T) {
	g := kongtest.Start(t)
	mustPost(t, g,
		`{"_format_version":"3.0","services":[{"name":"a","host":"h","tags":["x"],"routes":[{"name":"ra","paths":["/a"]}]},{"name":"b",`+
			`"host":"h"},{"name":"c","host":"h"}]}`)
	type page struct {
		Data   []map[string]any
		Next   string
		Offset string
	}
	read := func(path string) (p page) {
		if err := json.Unmarshal(get(t, g.AdminURL()+path).body, &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := read("/services?size=2")
	if len(first.Data) != 2 || first.Next == "" {
		t.Fatalf("got %+v", first)
	}
	if rest := read(first.Next); len(rest.Data) != 1 || rest.Next != "" || rest.Data[0]["name"] != "c" {
		t.Errorf("got %+v", rest)
	}
	expect(t, get(t, g.AdminURL()+"/services?size=1001"), 400, "size must be an integer between 1 and 1000")
	expect(t, get(t, g.AdminURL()+"/services?tags=x"), 500, "An unexpected error occurred")
	expect(t, get(t, g.AdminURL()+"/services/nosuch"), 404, "Not found")
	contains(t, get(t, g.AdminURL()+"/services/a").body, `"name":"a"`)
	contains(t, get(t, g.AdminURL()+"/routes/ra/service").body, `"name":"a"`)
	if routes := read("/services/a/routes"); len(routes.Data) != 1 || routes.Data[0]["name"] != "ra" {
		t.Errorf("got %+v", routes)
	}
}

func TestF34_WritesAreRefused(t *testing.T) {
	g := kongtest.Start(t)
	mustPost(t, g, `{"_format_version":"3.0","services":[{"name":"a","host":"h"}]}`)
	url := g.AdminURL()
	expect(t, ask(t, "POST", url+"/services", "{}"), 405, "cannot create 'services' entities when not using a database")
	expect(t, ask(t, "PATCH", url+"/services/a", "{}"), 405, "cannot update 'services' entities by 'name' when not using a database")
	expect(t, ask(t, "PATCH", url+"/services/x", "{}"), 404, `could not find the entity with '{name="x"}'`)
	expect(t, ask(t, "DELETE", url+"/services/x", ""), 204, "")
	expect(t, ask(t, "DELETE", url+"/config", ""), 405, "Method not allowed")
}

func TestF41_RootTellsWhichProofIsToBeHad(t *testing.T) {
	g := kongtest.Start(t, kongtest.With(kongtest.Options{Workers: 2, UntrustedLua: "off", RouterFlavor: "expressions",
		Plugins: []string{"cors"}}))
	var root struct {
		Version       string
		Configuration struct {
			UntrustedLua string `json:"untrusted_lua"`
			RouterFlavor string `json:"router_flavor"`
			Workers      string `json:"nginx_worker_processes"`
			Database     string
		}
		Plugins struct {
			Available map[string]struct{ Version string } `json:"available_on_server"`
		}
	}
	if err := json.Unmarshal(get(t, g.AdminURL()).body, &root); err != nil {
		t.Fatal(err)
	}
	c := root.Configuration
	if root.Version != "3.9.3" || c.UntrustedLua != "off" || c.RouterFlavor != "expressions" || c.Workers != "2" || c.Database != "off" ||
		len(root.Plugins.Available) != 1 {
		t.Errorf("got %+v", root)
	}
	got := post(t, g, `{"_format_version":"3.0","plugins":[{"name":"pre-function"}]}`)
	expect(t, got, 400, "")
	contains(t, got.body, "plugin 'pre-function' not enabled; add it to the 'plugins' configuration property")
}

func TestSchemasAreServedFromADirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "plugins"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "plugins", "cors.json"), []byte(`{"fields":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	g := kongtest.Start(t, func(o *kongtest.Options) { o.SchemaDir = dir })
	contains(t, get(t, g.AdminURL()+"/schemas/plugins/cors").body, `"fields"`)
	expect(t, get(t, g.AdminURL()+"/schemas/plugins/nosuch"), 404, "No plugin named 'nosuch'")
	expect(t, get(t, g.AdminURL()+"/schemas/nosuch"), 404, "No entity named 'nosuch'")
	expect(t, get(t, g.AdminURL()+"/schemas/plugins/..%2f..%2fgo.mod"), 404, "")
}
