package schema_test

import (
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/schema"
)

// TestEqualSchemasHaveEqualDigests: the order of keys, and of lists without order,
// differs from one start of Kong to the next.
func TestEqualSchemasHaveEqualDigests(t *testing.T) {
	texts := func(text string) schema.Texts {
		return schema.Texts{KongVersion: "3.9.3", Entities: map[string]json.RawMessage{"things": json.RawMessage(text)}}
	}
	one,
		err := schema.New(
		texts(
			`{"fields":[{"a":{"type":"set","elements":{"type":"string","one_of":["x","y"]},"default":["p","q"],"description":"words"}},` +
				`{"description":{"type":"string"}}],"entity_checks":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text string
		same bool
	}{
		"a least length": {
			`{"entity_checks":[],"fields":[{"a":{"default":["q","p"],"elements":{"one_of":["y","x"],"type":"string","len_min":1},` +
				`"type":"set"}},{"description":{"type":"string","len_min":1}}]}`, true},
		"another length": {
			`{"entity_checks":[],"fields":[{"a":{"default":["q","p"],"elements":{"one_of":["y","x"],"type":"string"},"type":"set"}},` +
				`{"description":{"type":"string","len_min":0}}]}`, false},
		"other order": {
			`{"entity_checks":[],"fields":[{"a":{"default":["q","p"],"elements":{"one_of":["y","x"],"type":"string"},"type":"set"}},` +
				`{"description":{"type":"string"}}]}`, true},
		"a field less": {
			`{"entity_checks":[],"fields":[{"a":{"default":["q","p"],"elements":{"one_of":["y","x"],"type":"string"},"type":"set"}}]}`, false},
		"another word": {
			`{"entity_checks":[],"fields":[{"a":{"default":["q","p"],"elements":{"one_of":["z","x"],"type":"string"},"type":"set"}},` +
				`{"description":{"type":"string"}}]}`, false},
		"fields in another order": {
			`{"entity_checks":[],"fields":[{"description":{"type":"string"}},{"a":{"default":["q","p"],"elements":{"one_of":["y","x"],` +
				`"type":"string"},"type":"set"}}]}`, true},
	} {
		other, err := schema.New(texts(c.text))
		if err != nil {
			t.Fatal(err)
		}
		if (one.Digest() == other.Digest()) != c.same {
			t.Errorf("%s: %s and %s", name, one.Encode(), other.Encode())
		}
	}
	if one.Digest() != fleet.DigestOf(one.Encode()) || one.KongVersion() != "3.9.3" {
		t.Error("the digest is not that of the canonical bytes")
	}
}

func TestDecodeTakesCanonicalBytesOnly(t *testing.T) {
	b := bundleOf(t, known)
	canonical := string(b.Encode())
	again, err := schema.Decode([]byte(canonical))
	if err != nil || again.Digest() != b.Digest() {
		t.Fatalf("%v", err)
	}
	if errs := verdict(t, again, "service", object(t, `{"host":"h","x":1}`)); len(errs) != 1 {
		t.Errorf("a decoded bundle checks nothing: %v", errs)
	}
	for name, text := range map[string]string{
		"a space":            " " + canonical,
		"a line":             canonical + "\n",
		"more after it":      canonical + "{}",
		"half of it":         canonical[:len(canonical)/2],
		"nothing":            "",
		"null":               "null",
		"a list":             "[]",
		"no parts":           "{}",
		"another part":       strings.Replace(canonical, `"vaults"`, `"more":{},"vaults"`, 1),
		"a part less":        strings.Replace(canonical, `,"vaults":{}`, "", 1),
		"a part twice":       strings.Replace(canonical, `"vaults"`, `"vaults":{},"vaults"`, 1),
		"a version of 3.9":   strings.Replace(canonical, `"3.9.3"`, `3.9`, 1),
		"keys unsorted":      `{"kong_version":"3.9.3","entities":{},"plugins":{},"vaults":{}}`,
		"another way to say": strings.Replace(canonical, `"kong_version"`, `"\u006bong_version"`, 1),
		"too large":          strings.Repeat(" ", schema.MaxSize+1),
	} {
		if text == canonical {
			t.Errorf("%s: the case changes nothing", name)
		}
		if _, err := schema.Decode([]byte(text)); !errors.Is(err, schema.ErrBundle) {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
	}
}

// TestBundlesOfOlderAgents: their bytes and their digests are theirs, and their rules those of others.
func TestBundlesOfOlderAgents(t *testing.T) {
	b := bundleOf(t, known)
	canonical := string(b.Encode())
	for name, text := range map[string]string{
		"a description": strings.Replace(canonical, `{"type":"boolean"}`, `{"description":"x","type":"boolean"}`, 1),
		"unsorted":      strings.Replace(canonical, `["grpc","grpcs"`, `["grpcs","grpc"`, 1),
	} {
		old, err := schema.Decode([]byte(text))
		if err != nil || text == canonical {
			t.Fatalf("%s: %v", name, err)
		}
		if string(old.Encode()) != text || old.Digest() != fleet.DigestOf([]byte(text)) || old.Rules() != b.Rules() ||
			old.Digest() == b.Digest() {
			t.Errorf("%s: %s with the rules %s", name, old.Digest(), old.Rules())
		}
	}
}

// TestStartsOfOneGatewayAreOneBundle: what F44 says of a real one.
func TestStartsOfOneGatewayAreOneBundle(t *testing.T) {
	start := func(secret, first, second string) *schema.Bundle {
		t.Helper()
		b, err := schema.New(schema.Texts{
			KongVersion: "3.9.3",
			Entities: map[string]json.RawMessage{
				"plugins": json.RawMessage(`{"fields":[{"name":{"type":"string"}},{"config":{"type":"record"}}]}`),
				"keys": json.RawMessage(`{"fields":[{"` + first + `":{"type":"string"}},{"` + second + `":{"type":"string"}}],` +
					`"entity_checks":[{"at_least_one_of":["` + first + `","` + second + `"]},{"mutually_exclusive":["` + second + `","` + first + `"]}]}`),
			},
			Plugins: map[string]json.RawMessage{"session": json.RawMessage(`{"fields":[{"config":{"type":"record","required":true,"fields":[` +
				`{"secret":{"type":"string","required":false,"encrypted":true,"referenceable":true,"default":"` + secret + `"}},` +
				`{"host":{"type":"string","required":true,"referenceable":true,"default":"localhost"}},` +
				`{"key":{"type":"string","auto":true}},{"id":{"type":"string","uuid":true,"auto":true}}]}}]}`)},
		})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b := start("hush-1", "jwk", "pem")
	if other := start("hush-2", "pem", "jwk"); other.Digest() != b.Digest() {
		t.Errorf("two starts are two bundles:\n%s\n%s", b.Encode(), other.Encode())
	}
	if strings.Contains(string(b.Encode()), "hush") {
		t.Errorf("a secret is kept: %s", b.Encode())
	}
	plugin := object(t, `{"name":"session","config":{}}`)
	if errs := verdict(t, b, "plugin", plugin); len(errs) > 0 {
		t.Errorf("what a gateway would take is refused: %v", errs)
	}
	for text, want := range map[string]string{
		`{"name":"session","config":{}}`:                        "config.key config.secret",
		`{"name":"session"}`:                                    "config.key config.secret",
		`{"name":"session","config":{"secret":null,"key":"k"}}`: "config.secret",
		`{"name":"session","config":{"secret":"s","key":"k"}}`:  "",
		`{"name":"other","config":{}}`:                          "",
	} {
		var got []string
		for _, path := range b.Generated("plugin", object(t, text)) {
			got = append(got, path.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v are invented, want %s", text, got, want)
		}
	}
}

// TestWhatIsInventedInRecords: only in those that are there, or that the gateway fills.
func TestWhatIsInventedInRecords(t *testing.T) {
	const key = `[{"key":{"type":"string","auto":true}}]`
	b, err := schema.New(schema.Texts{
		KongVersion: "3.9.3",
		Entities: map[string]json.RawMessage{
			"plugins": json.RawMessage(`{"fields":[{"name":{"type":"string"}},{"config":{"type":"record"}}]}`)},
		Plugins: map[string]json.RawMessage{"p": json.RawMessage(`{"fields":[{"config":{"type":"record","required":true,"fields":[` +
			`{"filled":{"type":"record","required":true,"fields":` + key + `}},{"free":{"type":"record","fields":` + key + `}},` +
			`{"list":{"type":"array","elements":{"type":"record","fields":` + key + `}}}]}}]}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`{}`:                               "config.filled.key",
		`{"filled":{"key":"k"},"free":{}}`: "config.free.key",
		`{"filled":{"key":"k"},"free":{"key":"k"}}`:         "",
		`{"filled":{"key":"k"},"list":[{"key":"k"},{}]}`:    "config.list[1].key",
		`{"filled":{"key":"k"},"free":null,"list":"wrong"}`: "",
	} {
		var got []string
		for _, path := range b.Generated("plugin", object(t, `{"name":"p","config":`+text+`}`)) {
			got = append(got, path.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v are invented, want %s", text, got, want)
		}
	}
}

func TestPackAndUnpack(t *testing.T) {
	b := bundleOf(t, known)
	again, err := schema.Unpack(schema.Pack(b))
	if err != nil || again.Digest() != b.Digest() {
		t.Fatalf("%v", err)
	}
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := e.EncodeAll(make([]byte, 1<<28), nil)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = schema.Unpack(bomb)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; err == nil || took > 16*schema.MaxSize {
		t.Errorf("a bomb: %v, and it took %d bytes", err, took)
	}
	for name, frame := range map[string][]byte{
		"nothing":    nil,
		"no frame":   []byte("not zstd"),
		"no bundle":  e.EncodeAll([]byte("{}"), nil),
		"half of it": schema.Pack(b)[:20],
	} {
		if _, err := schema.Unpack(frame); !errors.Is(err, schema.ErrBundle) {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
	}
}
