package proof_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/proof"
)

var digest = fleet.Digest("sha256:" + strings.Repeat("0123456789abcdef", 4))

func TestInsertKeepsTheLayout(t *testing.T) {
	cases := []struct{ name, canonical, want string }{
		{
			name:      "the empty snapshot gains a section",
			canonical: `{"_format_version":"3.0"}` + "\n",
			want:      `{"_format_version":"3.0",` + "\n\"routes\":[\nROUTE\n]}\n",
		},
		{
			name:      "existing routes follow the reserved one",
			canonical: "{\"_format_version\":\"3.0\",\n\"consumers\":[\n{\"id\":\"c\"}\n],\n\"routes\":[\n{\"id\":\"a\"},\n{\"id\":\"b\"}\n]}\n",
			want: "{\"_format_version\":\"3.0\",\n\"consumers\":[\n{\"id\":\"c\"}\n],\n\"routes\":[\nROUTE,\n{\"id\":\"a\"}," +
				"\n{\"id\":\"b\"}\n]}\n",
		},
		{
			name:      "a new section stands before the kinds that sort after it",
			canonical: "{\"_format_version\":\"3.0\",\n\"plugins\":[\n{\"id\":\"p\"}\n],\n\"services\":[\n{\"id\":\"s\"}\n]}\n",
			want: "{\"_format_version\":\"3.0\",\n\"plugins\":[\n{\"id\":\"p\"}\n],\n\"routes\":[\nROUTE\n]," +
				"\n\"services\":[\n{\"id\":\"s\"}\n]}\n",
		},
		{
			name:      "a new section ends the object when every kind sorts before it",
			canonical: "{\"_format_version\":\"3.0\",\n\"plugins\":[\n{\"id\":\"p\"}\n]}\n",
			want:      "{\"_format_version\":\"3.0\",\n\"plugins\":[\n{\"id\":\"p\"}\n],\n\"routes\":[\nROUTE\n]}\n",
		},
		{
			name:      "text that looks like a section inside an entity is left alone",
			canonical: "{\"_format_version\":\"3.0\",\n\"plugins\":[\n{\"id\":\"\\n\\\"routes\\\":[\\n\"}\n]}\n",
			want:      "{\"_format_version\":\"3.0\",\n\"plugins\":[\n{\"id\":\"\\n\\\"routes\\\":[\\n\"}\n],\n\"routes\":[\nROUTE\n]}\n",
		},
	}
	for _, form := range []proof.Form{proof.Worker, proof.Route} {
		for _, c := range cases {
			t.Run(form.String()+": "+c.name, func(t *testing.T) {
				before := []byte(c.canonical)
				posted, err := proof.Insert(before, digest, form, proof.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if string(before) != c.canonical {
					t.Fatalf("the canonical bytes were changed: %s", before)
				}
				route := reservedLine(t, posted)
				if got := strings.Replace(string(posted), route, "ROUTE", 1); got != c.want {
					t.Errorf("in  %q\ngot  %q\nwant %q", c.canonical, got, c.want)
				}
				var doc map[string]any
				if err := json.Unmarshal(posted, &doc); err != nil {
					t.Errorf("the posted bytes are not JSON: %v", err)
				}
			})
		}
	}
}

func reservedLine(t *testing.T, posted []byte) string {
	t.Helper()
	for line := range bytes.Lines(posted) {
		if bytes.Contains(line, []byte(proof.RouteID)) {
			return strings.TrimRight(string(line), ",\n")
		}
	}
	t.Fatalf("no reserved route in %s", posted)
	return ""
}

func TestInsertRefusesWhatIsNotCanonical(t *testing.T) {
	for _, bad := range []string{
		"", "{}", "{}\n", "_format_version: '3.0'\n", `{"_format_version":"3.0"}`,
		"{\"_format_version\":\"3.0\",\n\"routes\":[]}\n",
		"{\"_format_version\":\"3.0\",\n\"routes\"}\n",
	} {
		if posted, err := proof.Insert([]byte(bad), digest, proof.Worker, proof.Options{}); err == nil {
			t.Errorf("%q was accepted: %s", bad, posted)
		}
	}
}

func TestInsertRefusesADigestThatCouldBreakOutOfLua(t *testing.T) {
	for _, bad := range []fleet.Digest{"", "sha256:abc", digest + "'", "md5:" + digest[7:], digest[:70] + "'"} {
		if _, err := proof.Insert([]byte("{\"_format_version\":\"3.0\"}\n"), bad, proof.Worker, proof.Options{}); err == nil {
			t.Errorf("digest %q was accepted", bad)
		}
	}
}

func TestNoneInsertsNothing(t *testing.T) {
	canonical := []byte("{\"_format_version\":\"3.0\"}\n")
	posted, err := proof.Insert(canonical, digest, proof.None, proof.Options{})
	if err != nil || !bytes.Equal(posted, canonical) {
		t.Fatalf("got %q, %v", posted, err)
	}
}

func TestExpressionsFlavorGetsTheHighestPriority(t *testing.T) {
	posted, err := proof.Insert([]byte("{\"_format_version\":\"3.0\"}\n"), digest, proof.Worker, proof.Options{Expressions: true})
	if err != nil {
		t.Fatal(err)
	}
	var route map[string]any
	if err := json.Unmarshal([]byte(reservedLine(t, posted)), &route); err != nil {
		t.Fatal(err)
	}
	if want := `http.host == "silverback.internal" && http.path == "/.well-known/silverback"`; route["expression"] != want {
		t.Errorf("expression: got %v, want %s", route["expression"], want)
	}
	if route["priority"] != float64(1<<46-1) {
		t.Errorf("priority: got %v", route["priority"])
	}
	// Kong refuses an expression beside the fields it replaces.
	if _, has := route["hosts"]; has {
		t.Error("an expression route must not carry hosts")
	}
	for _, field := range []string{"paths", "methods", "headers"} {
		if _, has := route[field]; has {
			t.Errorf("an expression route must not carry %s", field)
		}
	}
}

func TestReservedNamesAndIDs(t *testing.T) {
	line := func(kind, entity string) string {
		return "{\"_format_version\":\"3.0\",\n\"consumers\":[\n{\"id\":\"c\",\"username\":\"" + proof.RouteName + "\"}\n],\n\"" + kind +
			"\":[\n" + entity + ",\n{\"id\":\"z\"}\n]}\n"
	}
	other := `"id":"00000000-0000-4000-8000-000000000001"`
	preFunction := regexp.MustCompile(`"plugins":\[\{[^\]]*\],?[^}]*\},"id":"([^"]+)"`)
	posted, err := proof.Insert([]byte("{\"_format_version\":\"3.0\"}\n"), digest, proof.Worker, proof.Options{})
	if err != nil {
		t.Fatal(err)
	}
	pluginID := preFunction.FindSubmatch(posted)
	if pluginID == nil {
		t.Fatalf("no plugin with an id in %s", posted)
	}
	cases := []struct{ name, kind, entity, field string }{
		{"a route of that name", "routes", `{` + other + `,"name":"silverback-proof"}`, "name"},
		{"a route of that id", "routes", `{"id":"` + proof.RouteID + `","name":"r"}`, "id"},
		{"a plugin of such an id", "plugins", `{"id":"` + string(pluginID[1]) + `","name":"cors"}`, "id"},
		{"a plugin on the reserved route", "plugins", `{` + other + `,"name":"key-auth","route":{"id":"` + proof.RouteID + `"}}`, "route"},
		{"a service of that name", "services", `{` + other + `,"name":"silverback-proof"}`, ""},
		{"a tag of that name", "routes", `{` + other + `,"name":"r","tags":["silverback-proof"]}`, ""},
		{"a plugin that mentions it", "plugins", `{"config":{"access":["-- silverback-proof"]},` + other + `,"name":"pre-function"}`, ""},
	}
	for _, form := range []proof.Form{proof.Worker, proof.Route} {
		for _, c := range cases {
			_, err := proof.Insert([]byte(line(c.kind, c.entity)), digest, form, proof.Options{})
			var collision *proof.Collision
			if errors.As(err, &collision) != (c.field != "") || collision != nil && (collision.Field != c.field || collision.Kind+"s" != c.kind) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
	if _, err := proof.Insert([]byte(line("routes", cases[0].entity)), digest, proof.None, proof.Options{}); err != nil {
		t.Errorf("without a reserved route there is nothing to collide with: %v", err)
	}
}

func TestReservedRouteIDIsKongsOwn(t *testing.T) {
	namespace, _ := hex.DecodeString("fd02801f09574a15a55ac8d9606f30b5")
	if got := uuid5(uuid5raw(namespace, "routes"), proof.RouteName); got != proof.RouteID {
		t.Errorf("got %s, want %s", proof.RouteID, got)
	}
}

func uuid5raw(namespace []byte, name string) []byte {
	sum := sha1.Sum(append(slices.Clone(namespace), name...))
	sum[6] = sum[6]&0x0f | 0x50
	sum[8] = sum[8]&0x3f | 0x80
	return sum[:16]
}

func uuid5(namespace []byte, name string) string {
	u := uuid5raw(namespace, name)
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

func TestParseAnswer(t *testing.T) {
	good := []struct {
		body string
		want proof.Answer
	}{
		{`{"worker":1,"digest":"` + string(digest) + `","workers":2}`, proof.Answer{Digest: digest, Worker: 1, Workers: 2}},
		{`{"digest":"` + string(digest) + `"}`, proof.Answer{Digest: digest}},
	}
	for _, c := range good {
		if got, err := proof.ParseAnswer([]byte(c.body)); err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v; want %+v", c.body, got, err, c.want)
		}
	}
	for _, bad := range []string{
		``, `null`, `{}`, `<html>`, `{"digest":"sha256:abc"}`,
		`{"digest":"` + string(digest) + `","worker":2,"workers":2}`,
		`{"digest":"` + string(digest) + `","worker":-1,"workers":2}`,
		`{"message":"no Route matched with those values"}`,
	} {
		if got, err := proof.ParseAnswer([]byte(bad)); err == nil {
			t.Errorf("%q was taken for an answer: %+v", bad, got)
		}
	}
}

func TestFormWordsRoundTrip(t *testing.T) {
	for _, form := range []proof.Form{proof.None, proof.Route, proof.Worker} {
		if got, err := proof.ParseForm(form.String()); err != nil || got != form {
			t.Errorf("%v: got %v, %v", form, got, err)
		}
	}
	if _, err := proof.ParseForm("none"); err == nil {
		t.Error(`"none" is not a word for a form`)
	}
}
