package compile_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/kong/document"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

// group compiles sources as a group, by way of their stored form, and seals them as a translator does.
func group(t *testing.T, sources map[compile.SourceID]string) (canonical string, warnings, problems []compile.Problem) {
	t.Helper()
	c := compile.New(compile.DefaultLimits())
	fragments := map[compile.SourceID]*compile.Fragment{}
	for name, text := range sources {
		stored, err := c.Unmarshal(parse(t, c, string(name)+".yaml", "_format_version: \"3.0\"\n"+text).Marshal())
		if err != nil {
			t.Fatal(err)
		}
		fragments[name] = stored
	}
	result, problems := c.Merge(fragments)
	if problems != nil {
		return "", nil, problems
	}
	seal := snapshot.Seal
	if result.AsIs {
		seal = snapshot.SealAsIs
	}
	sealed, err := seal(result.Entities)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := snapshot.Open(sealed.Canonical())
	if err != nil || opened.Digest() != sealed.Digest() {
		t.Errorf("the bytes cannot be opened: %v", err)
	}
	return string(sealed.Canonical()), result.Warnings, nil
}

const (
	hash  = "7c4a8d09ca3762af61e59520943dc26494f8941b"
	ofP   = "c4b9e96639197e9a2f0d3641ae84300c27017a90" // of p, as a gateway exported it for the consumer a
	plain = "consumers:\n- {username: a, basicauth_credentials: [{username: u, password: p}]}\n"
	done  = "_transform: false\nconsumers:\n- {username: b, basicauth_credentials: [{username: v, password: " + hash + "}]}\n"
)

// TestHashesAreDeliveredAsTheyAre: whoever submits hashes gets them to the gateways as they are, and nobody else's password stays plain.
func TestHashesAreDeliveredAsTheyAre(t *testing.T) {
	const asIs = "{\"_format_version\":\"3.0\",\"_transform\":false,\n"
	for _, tc := range []struct {
		name    string
		sources map[compile.SourceID]string
		asIs    bool
		has     []string
		hasNot  string
	}{
		{"plain passwords alone are hashed by the gateway", map[compile.SourceID]string{"x": plain}, false, []string{`"password":"p"`}, ofP},
		{"so are they when _transform says what it is anyway", map[compile.SourceID]string{"x": "_transform: true\n" + plain}, false,
			[]string{`"password":"p"`}, ofP},
		{"hashes alone", map[compile.SourceID]string{"x": done}, true, []string{`"password":"` + hash + `"`}, ""},
		{"hashes by decK's word", map[compile.SourceID]string{"x": "_info: {skip_hash_for_basic_auth: true}\n" +
			done[len("_transform: false\n"):]}, true,
			[]string{`"password":"` + hash + `"`}, ""},
		{"hashes beside plain passwords", map[compile.SourceID]string{"x": done, "y": plain}, true,
			[]string{`"password":"` + hash + `"`, `"password":"` + ofP + `"`}, `"p"`},
		{"plain passwords beside hashes", map[compile.SourceID]string{"x": plain, "y": done}, true,
			[]string{`"password":"` + hash + `"`, `"password":"` + ofP + `"`}, `"p"`},
		{"_transform: false where nothing is hashed", map[compile.SourceID]string{
			"x": "_transform: false\nservices: [{name: s, host: h}]\nconsumers: [{username: c, keyauth_credentials: [{key: k}]}]\n", "y": plain},
			false,
			[]string{`"password":"p"`}, ofP},
		{"a hashed secret of oauth2", map[compile.SourceID]string{"y": plain,
			"x": "_transform: false\nconsumers: [{username: c, oauth2_credentials: [{name: o, client_id: i, client_secret: $argon2, hash_secret: " +
				"true}]}]\n"}, true,
			[]string{`"client_secret":"$argon2"`, ofP}, ""},
		{"a plain secret of oauth2 that nobody hashes", map[compile.SourceID]string{"x": done,
			"y": "consumers: [{username: c, oauth2_credentials: [{name: o, client_id: i, client_secret: s3cret}]}]\n"}, true,
			[]string{`"client_secret":"s3cret"`}, ""},
	} {
		got, warnings, problems := group(t, tc.sources)
		if problems != nil || len(warnings) > 0 {
			t.Errorf("%s:\n%s%s", tc.name, lines(problems), lines(warnings))
			continue
		}
		if strings.HasPrefix(got, asIs) != tc.asIs {
			t.Errorf("%s: it begins with %.60s", tc.name, got)
		}
		for _, want := range tc.has {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %s is not in\n%s", tc.name, want, got)
			}
		}
		if tc.hasNot != "" && strings.Contains(got, tc.hasNot) {
			t.Errorf("%s: %s is in\n%s", tc.name, tc.hasNot, got)
		}
		c := compile.New(compile.DefaultLimits())
		human, err := c.Render([]byte(got), compile.FormKong, nil)
		if err != nil {
			t.Fatal(err)
		}
		if again, _, problems := group(t, map[compile.SourceID]string{"x": strings.TrimPrefix(string(human),
			"_format_version: \"3.0\"\n")}); again != got {
			t.Errorf("%s: for people it is\n%s%s\nwhich is\n%s\nnot\n%s", tc.name, human, lines(problems), again, got)
		}
	}
}

// TestDocumentsWithAndWithoutHashes may meet in one source.
func TestDocumentsWithAndWithoutHashes(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	for _, docs := range [][]string{{plain, done}, {done, plain}} {
		f, problems := c.Parse([]compile.Document{
			{Name: "a.yaml", Content: []byte("_format_version: \"3.0\"\n" + docs[0])},
			{Name: "b.yaml", Content: []byte("_format_version: \"3.0\"\n" + docs[1])},
		})
		if problems != nil {
			t.Fatal(lines(problems))
		}
		result, problems := c.Merge(map[compile.SourceID]*compile.Fragment{"x": f})
		if problems != nil || !result.AsIs {
			t.Errorf("%s", lines(problems))
		}
	}
}

// TestSecretsThatNobodyWouldHash are refused, with both places.
func TestSecretsThatNobodyWouldHash(t *testing.T) {
	_, _, problems := group(t, map[compile.SourceID]string{
		"x": done, "y": "consumers:\n- username: c\n  oauth2_credentials: [{name: o, client_id: i, client_secret: s3cret, hash_secret: true}]\n",
	})
	if len(problems) != 1 || problems[0].Class != compile.Conflict || problems[0].Document != "y.yaml" || problems[0].Line != 4 ||
		problems[0].Other == nil || problems[0].Other.Document != "x.yaml" || !strings.Contains(problems[0].Message, "x.yaml:4") ||
		strings.Contains(problems[0].Message, "s3cret") {
		t.Errorf("got %s", lines(problems))
	}
}

// TestAPlainPasswordThatIsCalledAHash is worth a warning: nobody could log in.
func TestAPlainPasswordThatIsCalledAHash(t *testing.T) {
	_, warnings, _ := group(t, map[compile.SourceID]string{"x": strings.Replace(done, hash, "hunter2", 1)})
	if len(warnings) != 1 || warnings[0].Field != "password" || strings.Contains(warnings[0].Message, "hunter2") {
		t.Errorf("got %s", lines(warnings))
	}
}

// TestWhatGatewaysAddIsAdded compares hash and digest with what a gateway exported after it had made them itself.
func TestWhatGatewaysAddIsAdded(t *testing.T) {
	for name, field := range map[string]string{"transform-true-basicauth": "password: ", "ca-certificate": "cert_digest: "} {
		raw, err := os.ReadFile(filepath.Join(shared.Dir(t), "kong-contract", "config-valid", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var tr struct {
			Request struct{ Body string }
			Export  struct {
				Body struct{ Config string } `json:"body_json"`
			} `json:"export_after"`
		}
		if err := json.Unmarshal(raw, &tr); err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(tr.Export.Body.Config, field)
		want, _, _ := strings.Cut(rest, "\n")
		body := strings.Replace(tr.Request.Body, `{"_format_version":"3.0",`, "", 1)
		text := strings.TrimSuffix(body, "}")
		c := compile.New(compile.DefaultLimits())
		asked := parse(t, c, "asked.json", `{"_format_version":"3.0",`+text+"}")
		result, problems := c.Merge(map[compile.SourceID]*compile.Fragment{"asked": asked,
			"done": parse(t, c, "done.yaml", "_format_version: \"3.0\"\n"+done)})
		if problems != nil || want == "" {
			t.Fatalf("%s: %q\n%s", name, want, lines(problems))
		}
		found := false
		for _, e := range result.Entities {
			found = found || strings.Contains(string(e.JSON), strings.TrimSuffix(field, ": ")+`":"`+want+`"`)
			var entity map[string]any
			doc, fault := document.Read("a.json", e.JSON, document.DefaultLimits())
			if fault != nil || string(document.Append(nil, doc.Roots[0])) != string(e.JSON) {
				t.Errorf("%s: %s is not canonical (%v)", name, e.JSON, fault)
			}
			if json.Unmarshal(e.JSON, &entity) != nil || entity["id"] != e.ID {
				t.Errorf("%s: %v: %s", name, err, e.JSON)
			}
		}
		if !found {
			t.Errorf("%s: no %s%s in %s", name, field, want, result.Entities)
		}
	}
}
