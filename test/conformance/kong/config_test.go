package kong_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/silverback-gateway/silverback/kong/snapshot"
)

const nothing = "{\"_format_version\":\"3.0\"}\n"

func TestF01_AGatewayWithNothingReportsZerosAndIsNotReady(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		// A gateway that was given nothing, and one that was given no entities, look the same from outside (F5).
		if got := k.post(t, nothing); got.code != http.StatusCreated {
			t.Fatal(got)
		}
		eventually(t, "nothing is in force", func() error {
			ready, proxied := get(t, k.status+"/status/ready"), get(t, k.proxy+"/anything")
			if hash := k.hash(t); hash != zeros || ready.code != 503 || ready.message() != "no configuration available (empty configuration "+
				"present)" ||
				proxied.code != 404 || proxied.message() != "no Route matched with those values" {
				return fmt.Errorf("hash %s, ready %s, proxy %s", hash, ready, proxied)
			}
			return nil
		})
	})
}

func TestF02_TheHashIsTheMD5OfTheText(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		for i, form := range []struct {
			contentType string
			body        func(text string) string
		}{
			{"text/yaml", func(text string) string { return text }},
			{"application/yaml", func(text string) string { return text }},
			{"application/json", func(text string) string {
				body, _ := json.Marshal(map[string]string{"config": text})
				return string(body)
			}},
			{"application/x-www-form-urlencoded", func(text string) string { return "config=" + url.PathEscape(text) }},
			{"multipart/form-data; boundary=B", func(text string) string {
				return "--B\r\nContent-Disposition: form-data; name=\"config\"\r\n\r\n" + text + "\r\n--B--\r\n"
			}},
		} {
			texts := []string{routes(ending("a", fmt.Sprintf(`"paths":["/a%d"]`, i)))}
			if strings.HasSuffix(form.contentType, "yaml") {
				texts = append(texts, texts[0]+" ", fmt.Sprintf("_format_version: \"3.0\"\r\nroutes:\r\n- {name: a, paths: [/yaml%d]}\r\n", i))
			}
			for _, text := range texts {
				if got := k.postAs(t, form.contentType, form.body(text), "check_hash=1"); got.code != http.StatusCreated {
					t.Fatalf("%s: %s", form.contentType, got)
				}
				if got := k.hash(t); got != md5Hex(text) {
					t.Errorf("%s: the hash of %q is %s, want %s", form.contentType, text, got, md5Hex(text))
				}
			}
		}
	})
}

func TestF03_TheHashOfDirectJSONCannotBeForeseen(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		text := routes(ending("a", `"paths":["/a"]`))
		for range 2 {
			if got := k.postAs(t, "application/json", text, "check_hash=1"); got.code != http.StatusCreated {
				t.Fatalf("%s; 304 must not come", got)
			}
			if got := k.hash(t); got == md5Hex(text) || got == zeros {
				t.Errorf("hash %s", got)
			}
		}
	})
}

func TestF04_TheSameTextIs304(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		text := routes(ending("a", `"paths":["/a"]`))
		k.load(t, text)
		if got := k.post(t, text); got.code != http.StatusNotModified || len(got.body) > 0 {
			t.Errorf("again: %s", got)
		}
		for _, query := range []string{"check_hash=true", "", "check_hash=0"} {
			if got := k.postAs(t, "text/yaml", text, query); got.code != http.StatusCreated {
				t.Errorf("with %q: %s", query, got)
			}
		}
	})
}

func TestF05_AnEmptyConfigurationIsAcceptedAndLooksLost(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		k.load(t, routes(ending("a", `"paths":["/a"]`)))
		got := k.post(t, nothing)
		if got.code != http.StatusCreated || string(bytes.TrimSpace(got.body)) != "{}" {
			t.Fatal(got)
		}
		eventually(t, "it looks lost", func() error {
			if hash, ready := k.hash(t), get(t, k.status+"/status/ready"); hash != zeros || ready.code != 503 {
				return fmt.Errorf("hash %s, ready %s", hash, ready)
			}
			return nil
		})
		if got := k.post(t, nothing); got.code != http.StatusCreated {
			t.Errorf("again, which never is 304: %s", got)
		}
	})
}

func TestF06_WhatIsOnWhichListener(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		text := routes(ending("a", `"paths":["/a"]`))
		k.load(t, text)
		for _, listener := range []string{k.admin, k.status} {
			if got := hashAt(t, listener); got != md5Hex(text) {
				t.Errorf("%s reports %s", listener, got)
			}
		}
		for at, want := range map[string]int{
			k.status + "/status/ready": 200, k.admin + "/status/ready": 404, k.status + "/config": 404, k.admin + "/config": 200,
		} {
			if got := get(t, at); got.code != want {
				t.Errorf("%s: %s, want %d", at, got, want)
			}
		}
	})
}

func TestF08_TheAnswerRepeatsEverySecret(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		text := `{"_format_version":"3.0","consumers":[{"username":"u","keyauth_credentials":[{"key":"conformance-s3cret"}]}]}`
		got := k.load(t, text)
		var byID map[string]map[string]map[string]any
		decode(t, got, &byID)
		found := false
		for id, entity := range byID["keyauth_credentials"] {
			found = found || entity["id"] == id && entity["key"] == "conformance-s3cret"
		}
		if !found {
			t.Errorf("no map of entities by id that holds the key: %s", got)
		}
		var export struct{ Config string }
		decode(t, get(t, k.admin+"/config"), &export)
		if export.Config == text || !strings.Contains(export.Config, "conformance-s3cret") ||
			!strings.Contains(export.Config, "_transform: false") {
			t.Errorf("the export is not Kong's own form: %s", short(export.Config))
		}
	})
}

// TestPasswordsAreHashedUnlessTransformIsFalse: the bytes are those that a translator seals of entities with hashes.
func TestPasswordsAreHashedUnlessTransformIsFalse(t *testing.T) {
	const consumer = "0b2e2520-8980-505a-b7a2-769e8dde10c3"
	const hash = "c4b9e96639197e9a2f0d3641ae84300c27017a90" // of p
	entities := func(password string) []snapshot.Entity {
		return []snapshot.Entity{
			{Kind: "consumers", ID: consumer, JSON: []byte(`{"id":"` + consumer + `","username":"a"}`)},
			{Kind: "basicauth_credentials", ID: "b8b13216-f8d0-5482-8264-f38e673a5811", JSON: []byte(
				`{"consumer":{"id":"` + consumer + `"},"id":"b8b13216-f8d0-5482-8264-f38e673a5811","password":"` + password + `","username":"u"}`)},
			{Kind: "routes", ID: "11111111-1111-4111-8111-111111111111", JSON: []byte(
				`{"id":"11111111-1111-4111-8111-111111111111","name":"guarded","paths":["/guarded"]}`)},
			{Kind: "plugins", ID: "22222222-2222-4222-8222-222222222222", JSON: []byte(
				`{"id":"22222222-2222-4222-8222-222222222222","name":"basic-auth","route":{"id":"11111111-1111-4111-8111-111111111111"}}`)},
			{Kind: "plugins", ID: "33333333-3333-4333-8333-333333333333", JSON: []byte(
				`{"config":{"message":"in","status_code":200},"id":"33333333-3333-4333-8333-333333333333","name":"request-termination",` +
					`"route":{"id":"11111111-1111-4111-8111-111111111111"}}`)},
		}
	}
	each(t, func(t *testing.T, k *target) {
		for _, tc := range []struct {
			name     string
			seal     func([]snapshot.Entity) (*snapshot.Snapshot, error)
			password string
			kept     string // "": something else, that nobody logs in with
		}{
			{"a plain password", snapshot.Seal, "p", hash},
			{"a hash that is to stay", snapshot.SealAsIs, hash, hash},
			{"a hash that is hashed again", snapshot.Seal, hash, ""},
			{"a plain password that is to stay", snapshot.SealAsIs, "plain-p", ""},
		} {
			sealed, err := tc.seal(entities(tc.password))
			if err != nil {
				t.Fatal(err)
			}
			got := k.load(t, string(sealed.Canonical()))
			if !strings.Contains(string(got.body), `"password":"`+tc.password+`"`) {
				t.Errorf("%s: the answer does not show what was posted: %s", tc.name, got)
			}
			var export struct{ Config string }
			decode(t, get(t, k.admin+"/config"), &export)
			if strings.Contains(export.Config, hash) != (tc.kept == hash) {
				t.Errorf("%s: kept is %s", tc.name, short(export.Config))
			}
			want := http.StatusUnauthorized
			if tc.kept != "" {
				want = http.StatusOK
			}
			eventually(t, tc.name+" takes effect", func() error {
				if got := ask(t, http.MethodGet, k.proxy+"/guarded", "", "Authorization", "Basic dTpw"); got.code != want { // u:p
					return fmt.Errorf("got %s, want %d", got, want)
				}
				return nil
			})
		}
	})
}

func TestF09_ARefusedConfigurationChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		text := routes(ending("kept", `"paths":["/kept"]`))
		k.load(t, text)
		k.served(t, "/kept", 200, "kept")
		for _, bad := range []string{
			routes(`{"name":"kept","paths":["no-slash"]}`),
			`{"_format_version":"3.0","servicez":[]}`,
			"a: [b",
			`{"_format_version":"3.0","services":["a"]}`,
		} {
			if got := k.post(t, bad); got.code != 400 && got.code != 500 {
				t.Errorf("%s: %s", bad, got)
			}
			if got := k.hash(t); got != md5Hex(text) {
				t.Errorf("after %s the hash is %s", bad, got)
			}
		}
		k.served(t, "/kept", 200, "kept")
		if got := get(t, k.status+"/status/ready"); got.code != 200 {
			t.Errorf("ready: %s", got)
		}
	})
}

func TestF10_TheShapesOf400(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		for _, tt := range []struct{ contentType, body, message string }{
			{"application/json", `{"_format_version":"3.0",`, "Cannot parse JSON body"},
			{"text/yaml", "", "expected a declarative configuration"},
		} {
			got := k.postAs(t, tt.contentType, tt.body, "check_hash=1&flatten_errors=1")
			var all map[string]any
			decode(t, got, &all)
			if got.code != 400 || all["message"] != tt.message || len(all) != 1 {
				t.Errorf("a message alone: %s", got)
			}
		}
		bad := `{"_format_version":"3.0","services":[{"name":"s","host":"h","hosst":"x"}]}`
		var plain refusal
		got := k.postAs(t, "text/yaml", bad, "check_hash=1")
		decode(t, got, &plain)
		if got.code != 400 || plain.Code != 14 || plain.Name != "invalid declarative configuration" || plain.Flattened != nil ||
			len(plain.Fields) != 1 ||
			!strings.HasPrefix(plain.Message, "declarative config is invalid: {") {
			t.Errorf("not flattened: %s", got)
		}
		if r := k.refused(t, bad); r.Code != 14 || len(r.Fields) != 0 || r.Message != "declarative config is invalid: {}" ||
			!r.says(t, "service", "hosst", "unknown field") {
			t.Errorf("flattened: %+v", r)
		}
		if r := k.refused(t, `{"_format_version":"3.0","servicez":[]}`); r.Fields["servicez"] != "unknown field" {
			t.Errorf("a top-level key stays in fields: %+v", r)
		}
	})
}

func TestF11_FlattenedErrorsAreAnObjectAListOrAbsentAndListsHaveHoles(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		if r := k.refused(t, `{"_format_version":"3.0","servicez":[]}`); string(r.Flattened) != "{}" {
			t.Errorf("none: %s", r.Flattened)
		}
		if r := k.refused(t, routes(`{"name":"r","paths":["x"]}`)); len(r.flat(t)) != 1 {
			t.Errorf("one: %s", r.Flattened)
		}
		if r := k.refused(t, "a: [b\n"); r.Flattened != nil || !strings.HasPrefix(fmt.Sprint(r.Fields["error"]),
			"failed parsing declarative configuration") {
			t.Errorf("what cannot be parsed: %+v", r)
		}
		var plain refusal
		decode(t, k.postAs(t, "text/yaml", `{"_format_version":"3.0","services":[{"name":"s","host":"h"},{"name":"s","host":"h"}]}`, ""), &plain)
		holes, _ := plain.Fields["services"].([]any)
		if len(holes) != 2 || holes[0] != nil || !strings.HasPrefix(fmt.Sprint(holes[1]), "uniqueness violation: ") {
			t.Errorf("a hole before the second: %+v", plain.Fields)
		}
	})
}

func TestF12_ErrorsNameTheEntityCountFromOneAndRepeatSecrets(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		if r := k.refused(t, routes(`{"name":"r","paths":["/good","bad"]}`)); !r.says(t, "route", "paths.2", "should start with: /") ||
			r.flat(t)[0].EntityName != "r" {
			t.Errorf("got %s", r.Flattened)
		}
		r := k.refused(t, `{"_format_version":"3.0","services":[{"host":"h","id":"11111111-1111-4111-8111-111111111111","name":"s","nosuch":1}]}`)
		if f := r.flat(t); f[0].EntityID != "11111111-1111-4111-8111-111111111111" || f[0].EntityName != "s" ||
			!r.says(t, "service", "nosuch", "unknown field") {
			t.Errorf("got %s", r.Flattened)
		}
		r = k.refused(t, `{"_format_version":"3.0","consumers":[{"tags":["a"]}]}`)
		if f := r.flat(t); len(f[0].Errors) != 1 || f[0].Errors[0].Type != "entity" ||
			!r.says(t, "consumer", "", "at least one of these fields must be non-empty") {
			t.Errorf("about the entity as a whole: %s", r.Flattened)
		}
		r = k.refused(t,
			`{"_format_version":"3.0","consumers":[{"username":"u","basicauth_credentials":[{"username":"b","passwordd":"conformance-s3cret"}]}]}`)
		if !r.says(t, "basicauth_credential", "passwordd", "unknown field") || !bytes.Contains(r.Flattened, []byte("conformance-s3cret")) {
			t.Errorf("got %s", r.Flattened)
		}
	})
}

func TestF13_AMissingReferenceIsReportedOnAMadeUpEntity(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		r := k.refused(t, routes(`{"name":"r","paths":["/a"],"service":{"name":"nosuch"}}`))
		f := r.flat(t)
		if len(f) != 1 || f[0].EntityType != "service" || f[0].EntityName != "nosuch" || !r.says(t, "service", "id", "missing primary key") {
			t.Errorf("got %s", r.Flattened)
		}
		k.load(t, `{"_format_version":"3.0","services":[{"name":"s","host":"h"}],"routes":[{"name":"r","paths":["/a"],"service":"s"}]}`)
	})
}

func TestF14_AConfigurationCanMakeKongAnswer500(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		text := routes(ending("a", `"paths":["/a"]`))
		k.load(t, text)
		for body, contentType := range map[string]string{
			`{"_format_version":"3.0","services":["a"]}`:       "application/json",
			routes(`{"name":"r","paths":["/a"],"service":12}`): "application/json",
			"- a\n- b\n": "text/yaml",
			"null":       "application/json",
		} {
			if got := k.postAs(t, contentType, body, "check_hash=1&flatten_errors=1"); got.code != 500 ||
				got.message() != "An unexpected error occurred" {
				t.Errorf("%s: %s", body, got)
			}
		}
		if got := k.hash(t); got != md5Hex(text) {
			t.Errorf("hash %s", got)
		}
	})
}

func TestF15_OtherContentTypesAre415(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		for _, contentType := range []string{"text/plain", "application/octet-stream", "application/x-yaml", ""} {
			got := ask(t, http.MethodPost, k.admin+"/config", routes(ending("a", `"paths":["/a"]`)), "Content-Type", contentType)
			if got.code != http.StatusUnsupportedMediaType || !got.html() {
				t.Errorf("%q: %s", contentType, got)
			}
		}
	})
}

func TestF16_ContentEncodingIsNotUnderstood(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, _ = w.Write([]byte(baseline))
		_ = w.Close()
		got := ask(t, http.MethodPost, k.admin+"/config", packed.String(), "Content-Type", "text/yaml", "Content-Encoding", "gzip")
		if got.code != http.StatusBadRequest {
			t.Error(got)
		}
	})
}

// bytesOf reads nginx's sizes.
func bytesOf(t *testing.T, size string) int {
	t.Helper()
	number := strings.TrimRight(strings.ToLower(size), "kmg")
	n, err := strconv.Atoi(number)
	if err != nil {
		t.Fatalf("the limit is %q", size)
	}
	return n << map[string]int{"k": 10, "m": 20, "g": 30}[strings.ToLower(size)[len(number):]]
}

func TestF17_OverTheBodyLimitIs413InHTML(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		limit := bytesOf(t, k.root(t).Configuration.BodyLimit)
		if limit == 0 || limit > 64<<20 {
			k.lacks(t, "the gateway's limit of %d bytes cannot be tested", limit)
		}
		text := routes(ending("a", `"paths":["/a"]`))
		exactly := text + strings.Repeat(" ", limit-len(text))
		k.load(t, exactly)
		// As the agent does: asked first, so that the answer is not lost in a connection that breaks.
		got := ask(t, http.MethodPost, k.admin+"/config", exactly+" ", "Content-Type", "text/yaml", "Expect", "100-continue")
		if got.code != http.StatusRequestEntityTooLarge || !got.html() {
			t.Error(got)
		}
		if got := k.hash(t); got != md5Hex(exactly) {
			t.Errorf("hash %s", got)
		}
	})
}

func TestF18_WithTextAnUnknownParameterIsIgnored(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		if got := k.postAs(t, "text/yaml", baseline, "foo=bar"); got.code != http.StatusCreated {
			t.Error(got)
		}
		if got := k.postAs(t, "application/json", baseline, "foo=bar"); got.code != http.StatusBadRequest {
			t.Errorf("with direct JSON it becomes a field: %s", got)
		}
	})
}

func TestF19_FormatVersionAndTopLevelKeys(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		for version, want := range map[string]int{`"1.1"`: 201, `"2.1"`: 201, `"3.0"`: 201, `3.0`: 400, `"9.9"`: 400, `"0.1"`: 400} {
			if got := k.post(t, `{"_format_version":`+version+`,"services":[{"name":"s","host":"h"}]}`); got.code != want {
				t.Errorf("%s: %s, want %d", version, got, want)
			}
		}
		for _, key := range []string{`"_info":{}`, `"_workspace":"w"`, `"_plugin_configs":{}`, `"consumer_groups":[]`} {
			if r := k.refused(t, `{"_format_version":"3.0",`+key+`}`); len(r.Fields) != 1 {
				t.Errorf("%s: %+v", key, r)
			}
		}
		k.load(t, `{"_format_version":"3.0","_comment":"c","services":[{"name":"s","host":"h","_comment":"c"}]}`)
	})
}

func TestF20_YAML(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		named := func(got reply) string {
			var all struct {
				Services map[string]struct{ Name string }
			}
			decode(t, got, &all)
			var names []string
			for _, s := range all.Services {
				names = append(names, s.Name)
			}
			slices.Sort(names)
			return strings.Join(names, " ")
		}
		for text, want := range map[string]string{
			"_format_version: \"3.0\"\nservices: []\nservices:\n- {name: last, " +
				"host: h}\n": "last",
			"_format_version: \"3.0\"\nservices:\n- {name: first, host: h}\n---\n_format_version: " +
				"\"3.0\"\nservices: []\n": "first",
			"_format_version: \"3.0\"\nservices:\n- &s {name: anchor, host: h, tags: &t [x]}\n- {name: list, host: h, tags: *t}\n- <<: *s\n  " +
				"name: merged\n": "anchor list merged",
			"\ufeff_format_version: \"3.0\"\nservices:\n- {name: bom, host: h}\n":  "bom",
			"_format_version: \"3.0\"\r\nservices:\r\n- {name: crlf, host: h}\r\n": "crlf",
		} {
			if got := k.post(t, text); got.code != http.StatusCreated || named(got) != want {
				t.Errorf("%q: %s, want %s", text, got, want)
			}
		}
		if got := k.post(t, "_format_version: \"3.0\"\nservices: ~\n"); got.code != http.StatusCreated {
			t.Errorf("a null is an empty list: %s", got)
		}
		for _, name := range []string{"123", "yes"} {
			if r := k.refused(t, "_format_version: \"3.0\"\nservices:\n- {name: "+name+", host: h}\n"); !r.says(t, "service", "name",
				"expected a string") {
				t.Errorf("%s: %s", name, r.Flattened)
			}
		}
	})
}

func TestF21_AcceptedAlthoughUnexpected(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		for name, text := range map[string]string{
			"key-auth for one consumer": `{"_format_version":"3.0","consumers":[{"username":"a","plugins":[{"name":"key-auth"}]}]}`,
			"the same path twice": `{"_format_version":"3.0","services":[{"name":"s","host":"h","routes":[{"name":"a",` +
				`"paths":["/a"]},{"name":"b","paths":["/a"]}]}]}`,
			"a route without service and name":  `{"_format_version":"3.0","routes":[{"paths":["/a"]}]}`,
			"a host that resolves to nothing":   `{"_format_version":"3.0","services":[{"name":"s","host":"nowhere.test"}]}`,
			"regex characters without tilde":    `{"_format_version":"3.0","routes":[{"name":"a","paths":["/a/[0-9]+$"]}]}`,
			"a tls route on a node without one": `{"_format_version":"3.0","routes":[{"name":"a","protocols":["tls"],"snis":["a.test"]}]}`,
		} {
			if got := k.post(t, text); got.code != http.StatusCreated {
				t.Errorf("%s: %s", name, got)
			}
		}
	})
}

func TestF22_RefusedAlthoughUnexpected(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		if r := k.refused(t, routes(`{"name":"a","paths":["/caf%C3%A9"]}`)); !r.says(t, "route", "paths.1",
			"non-normalized path, consider use '/café' instead") {
			t.Errorf("got %s", r.Flattened)
		}
		for _, tag := range []string{"a,b", "a/b"} {
			if r := k.refused(t, `{"_format_version":"3.0","services":[{"name":"s","host":"h","tags":["`+tag+`"]}]}`); len(r.flat(t)) != 1 {
				t.Errorf("%s: %s", tag, r.Flattened)
			}
		}
		if k.root(t).Configuration.RouterFlavor == "traditional" {
			return // takes PCRE
		}
		for _, path := range []string{`~/a(?!b)`, `~/(a)\\1`} {
			if r := k.refused(t, routes(`{"name":"a","paths":["`+path+`"]}`)); len(r.flat(t)) != 1 {
				t.Errorf("%s: %s", path, r.Flattened)
			}
		}
	})
}

func TestF24_IDsAreStableWhereThereIsAUniqueField(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		text := `{"_format_version":"3.0","services":[{"name":"s","host":"h"},{"id":"22222222-2222-4222-8222-222222222222","name":"own",` +
			`"host":"h"}],
			"routes":[{"paths":["/unnamed"]},{"name":"silverback-proof","paths":["/named"]}],"consumers":[{"username":"u",` +
			`"keyauth_credentials":[{"tags":["generated"]}]}]}`
		ids := func() map[string][]string {
			got := k.postAs(t, "text/yaml", text, "")
			if got.code != http.StatusCreated {
				t.Fatal(got)
			}
			var all map[string]map[string]struct{ Name, Username, Key string }
			decode(t, got, &all)
			out := map[string][]string{}
			for kind, entities := range all {
				for id, e := range entities {
					name := e.Name + e.Username
					out[kind+" "+name] = append(out[kind+" "+name], id, e.Key)
				}
			}
			return out
		}
		first, second := ids(), ids()
		for of, stable := range map[string]bool{
			"services s": true, "services own": true, "routes silverback-proof": true, "consumers u": true, "routes ": false,
			"keyauth_credentials ": false,
		} {
			if len(first[of]) != 2 || slices.Equal(first[of], second[of]) != stable {
				t.Errorf("%s: %v, then %v; stable should be %v", of, first[of], second[of], stable)
			}
		}
		// What the control plane and the reserved route foresee.
		if got := first["routes silverback-proof"]; got[0] != "1448fce5-bfeb-5f3b-a2c5-51d464655867" {
			t.Errorf("the id of a route by its name is %v", got)
		}
		if got := first["services own"]; got[0] != "22222222-2222-4222-8222-222222222222" {
			t.Errorf("a given id became %v", got)
		}
	})
}

func TestF26_TheHashComesWithThe201AndTheRouterAfterIt(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		upstream := echo(t)
		for i := range 5 {
			text := fmt.Sprintf(`{"_format_version":"3.0","services":[{"name":"echo","url":%q,"routes":[{"name":"r","paths":["/f26-%d"]}]}]}`,
				upstream, i)
			if got := k.post(t, text); got.code != http.StatusCreated {
				t.Fatal(got)
			}
			if got := k.hash(t); got != md5Hex(text) {
				t.Errorf("the hash right after the 201 is %s", got)
			}
			k.served(t, fmt.Sprintf("/f26-%d/x", i), 200, "echo /x")
			k.served(t, fmt.Sprintf("/f26-%d", i-1), 404, "no Route matched with those values")
		}
	})
}

func TestF28_OfConcurrentPostsOneWinsAndSomeAreToldToComeBack(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		hashes := map[string]bool{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 8 {
			many := make([]string, 1000) // so that the posts meet
			for j := range many {
				many[j] = fmt.Sprintf(`{"name":"r%d","paths":["/f28-%d/%d"]}`, j, i, j)
			}
			text := routes(many...)
			all.Go(func() {
				got, err := try(t, http.MethodPost, k.admin+"/config", text, "Content-Type", "text/yaml")
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err != nil:
					t.Error(err)
				case got.code == http.StatusCreated:
					hashes[md5Hex(text)] = true
				case got.code != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" ||
					got.message() != "Currently loading previous configuration":
					t.Errorf("%s, Retry-After %q", got, got.header.Get("Retry-After"))
				}
			})
		}
		all.Wait()
		if hash := k.hash(t); !hashes[hash] {
			t.Errorf("hash %s is not of one that was accepted: %v", hash, hashes)
		}
		k.load(t, baseline) // one more, and it wins
	})
}
