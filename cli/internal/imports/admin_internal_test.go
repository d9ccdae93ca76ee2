package imports

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// database is an Admin API of a Kong with a database: lists in pages, null for missing values, hashes of passwords.
func database(t *testing.T, lists map[string]string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.URL.Path
		if offset := r.URL.Query().Get("offset"); offset != "" {
			key += "#" + offset
		}
		text, ok := lists[key]
		switch {
		case r.URL.Path == "/team/" || r.URL.Path == "/team":
			fmt.Fprint(w, `{"version":"3.9.3","configuration":{"database":"postgres"}}`)
		case r.Method != http.MethodGet:
			t.Errorf("%s %s", r.Method, r.URL)
		case r.URL.Path == "/team/filter-chains":
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"message":"this endpoint is only available when wasm is enabled"}`)
		case !ok:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"message":"Not found"}`)
		default:
			fmt.Fprint(w, text)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func read(t *testing.T, k *endpoint) (string, string, error) {
	t.Helper()
	if k.timeout == 0 {
		k.timeout = time.Minute
	}
	if err := k.open(); err != nil {
		return "", "", err
	}
	var told strings.Builder
	text, _, err := k.read(t.Context(), func(format string, args ...any) { fmt.Fprintf(&told, format+"\n", args...) })
	return string(text), told.String(), err
}

func TestADatabaseIsReadListByList(t *testing.T) {
	server := database(t, map[string]string{
		"/team/services": `{"data":[{"id":"s1","name":"a","host":"h","created_at":1,"updated_at":2,"path":null}],` +
			`"next":"/services?offset=x","offset":"x"}`,
		"/team/services#x":           `{"data":[{"id":"s2","name":"b","host":"h"}],"next":null}`,
		"/team/upstreams":            `{"data":[{"id":"u1","name":"u"}],"next":null}`,
		"/team/upstreams/u1/targets": `{"data":[{"id":"t1","target":"h:1","upstream":{"id":"u1"}}],"next":null}`,
		"/team/certificates":         `{"data":[{"id":"c1","cert":"C","key":"K","snis":["a.test"]}],"next":null}`,
		"/team/snis":                 `{"data":[{"id":"n1","name":"a.test","certificate":{"id":"c1"}}],"next":null}`,
		"/team/basic-auths":          `{"data":[{"id":"b1","username":"u","password":"hash"}],"next":null}`,
	})
	got, told, err := read(t, &endpoint{address: server.URL + "/team"})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"_format_version":"3.0",
"_transform":false,
"services":[
{"host":"h","id":"s1","name":"a","path":null},
{"host":"h","id":"s2","name":"b"}
],
"upstreams":[
{"id":"u1","name":"u"}
],
"targets":[
{"id":"t1","target":"h:1","upstream":{"id":"u1"}}
],
"certificates":[
{"cert":"C","id":"c1","key":"K"}
],
"snis":[
{"certificate":{"id":"c1"},"id":"n1","name":"a.test"}
],
"basicauth_credentials":[
{"id":"b1","password":"hash","username":"u"}
]}
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
	if !strings.Contains(told, "2 services\n") || !strings.Contains(told, "Kong 3.9.3") {
		t.Errorf("people are told %q", told)
	}
}

func TestWhatIsNotReadOfADatabaseIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		lists map[string]string
		want  string
	}{
		"nothing":         {map[string]string{}, "nothing to import"},
		"consumer groups": {map[string]string{"/team/consumer_groups": `{"data":[{"id":"g"}]}`}, "deck gateway dump"},
		"no list":         {map[string]string{"/team/services": `["s3cret"]`}, "not a list"},
		"no end":          {map[string]string{"/team/services": `{"data":[],"offset":"x"}`}, "does not end"},
		"going in circles": {map[string]string{
			"/team/services": `{"data":[{"id":"1"}],"offset":"x"}`, "/team/services#x": `{"data":[{"id":"1"}],"offset":"x"}`,
		}, "does not end"},
	} {
		_, _, err := read(t, &endpoint{address: database(t, tt.lists).URL + "/team"})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnAnswerIsBounded(t *testing.T) {
	server := database(t, map[string]string{"/team/services": `{"data":[` + strings.Repeat(" ", 5000) + `]}`})
	k := &endpoint{address: server.URL + "/team", timeout: time.Minute}
	if err := k.open(); err != nil {
		t.Fatal(err)
	}
	k.budget = 4000
	if _, err := k.list(t.Context(), "/services"); err == nil || !strings.Contains(err.Error(), "exceeds the limit of 4000 bytes") {
		t.Errorf("5,000 bytes where 4,000 are allowed: %v", err)
	}
}

func TestWhatIsNoKong(t *testing.T) {
	for name, tt := range map[string]struct {
		code       int
		text, want string
	}{
		"the proxy":      {200, `{"message":"hello"}`, "is this the proxy port?"},
		"an old one":     {200, `{"version":"2.8.4","configuration":{"database":"off"}}`, "import file"},
		"another port":   {404, `{"message":"no Route matched"}`, "usually 8001"},
		"a closed door":  {401, `{"message":"Invalid RBAC credentials\u001b[2J"}`, "SILVERBACK_ADMIN_TOKEN"},
		"another place":  {302, ``, "with 302"},
		"a broken one":   {500, `<html>`, "with 500"},
		"what is no map": {200, `[]`, "does not answer like a Kong Admin API"},
	} {
		elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			t.Errorf("%s: %s was asked, with %v", name, r.URL, r.Header)
		}))
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Kong-Admin-Token") != "s3cret" || r.Header.Get("X-Team") != "a" {
				t.Errorf("%s: asked with %v", name, r.Header)
			}
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(tt.code)
			fmt.Fprint(w, tt.text)
		}))
		headers := filepath.Join(t.TempDir(), "headers")
		if err := os.WriteFile(headers, []byte("X-Team: a\n\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := read(t, &endpoint{address: server.URL, token: "s3cret", headerFile: headers})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.ContainsAny(err.Error(), "\x1b") ||
			strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
		elsewhere.Close()
	}
}

func TestFlagsOfTheAdminAPI(t *testing.T) {
	headers := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(headers, []byte("X-Team: a\ns3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		k    endpoint
		want string
	}{
		{endpoint{address: "127.0.0.1:8001"}, "http://127.0.0.1:8001"},
		{endpoint{address: "http://user:s3cret@kong:8001"}, "--admin-header-file"},
		{endpoint{address: "http://kong:8001?token=s3cret"}, "--admin-header-file"},
		{endpoint{address: "http://kong:8001", headerFile: headers}, "line 2 of "},
		{endpoint{address: "http://kong:8001", headerFile: headers + "x"}, "no such file"},
	} {
		if err := tt.k.open(); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", tt.k.address, err)
		}
	}
	k := endpoint{address: "http://kong:8001"}
	k.files.CA = "ca.pem"
	if err := k.open(); err == nil || !strings.Contains(err.Error(), "https") {
		t.Errorf("files of TLS for a plain address: %v", err)
	}
}

func TestASlowKongIsGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-ctx.Done():
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer cancel()
	_, _, err := read(t, &endpoint{address: server.URL, timeout: 10 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "--timeout sets a longer limit") {
		t.Errorf("no answer: %v", err)
	}
}
