package snapshot_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/silverback-gateway/silverback/kong/snapshot"
)

func TestCanonicalize(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"keys are sorted at every depth", ` { "b" : [ { "z":1, "a" : 2 } ], "a" : { } } `, `{"a":{},"b":[{"a":2,"z":1}]}`},
		{"keys are sorted by what they mean", `{"\u0062":1,"a":2}`, `{"a":2,"b":1}`},
		{"a prefix comes first", `{"ab":1,"a":2}`, `{"a":2,"ab":1}`},
		{"fractions of nothing vanish", `[1.0,1.50,-0,-0.0,0.0,1e3,1E+2,0.10]`, `[1,1.5,0,0,0,1000,100,0.1]`},
		{"integers keep their digits", `[12345678901234567890123,9007199254740993]`, `[12345678901234567890123,9007199254740993]`},
		{"large and small doubles have exponents", `[1e21,1e20,1.5e-7,123e-20]`, `[1e+21,100000000000000000000,1.5e-7,1.23e-18]`},
		{"needless escapes vanish", `"\u003c\/\u00e9\ud83d\ude00\u2028"`, "\"</é😀\u2028\""},
		{"needed escapes are short", `"\u000a\u0009\u0008\u000c\u000d\u0001\u001f\"\\"`, `"\n\t\b\f\r\u0001\u001f\"\\"`},
		{"nulls stay", `{"a":null}`, `{"a":null}`},
		{"nothing in something", `[[],{},""]`, `[[],{},""]`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := snapshot.Canonicalize([]byte(tc.in))
			if err != nil || string(got) != tc.want {
				t.Fatalf("%s\n got %s %v\nwant %s", tc.in, got, err, tc.want)
			}
		})
	}
}

func TestCanonicalizeRefuses(t *testing.T) {
	for _, in := range []string{
		``, ` `, `{`, `[`, `"`, `"\`, `"\u12"`, `"\ud800"`, `"\ud800\u0041"`, "\"\xff\"", "\"\n\"", `{"a":1,"a":2}`, `{"\u0061":1,"b":2,"a":2}`,
		`{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `[1,]`, `[1 2]`, `01`, `-`, `1.`, `.5`, `1e`, `+1`, `1e400`, `nul`, `NaN`, `1 1`, `{}x`, `"\x"`,
		strings.Repeat("[", 1_000_000), strings.Repeat("9", 310),
	} {
		got, err := snapshot.Canonicalize([]byte(in))
		var bad *snapshot.JSONError
		if !errors.As(err, &bad) {
			t.Errorf("%.40q: got %s, %v", in, got, err)
		}
	}
}

func TestAppendCanonicalAgreesWithCanonicalize(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var value func(depth int) any
	value = func(depth int) any {
		switch n := rng.IntN(9); {
		case n == 0:
			return nil
		case n == 1:
			return rng.IntN(2) == 0
		case n == 2:
			return rng.NormFloat64() * 1e8
		case n == 3:
			return float64(rng.Int64N(1 << 52))
		case n < 6 || depth > 5:
			text := make([]rune, rng.IntN(8))
			for i := range text {
				text[i] = []rune("aB\"\\\n\x01é😀\u2028<")[rng.IntN(10)]
			}
			return string(text)
		case n == 6:
			items := make([]any, rng.IntN(5))
			for i := range items {
				items[i] = value(depth + 1)
			}
			return items
		}
		object := map[string]any{}
		for range rng.IntN(5) {
			object[string(rune('a'+rng.IntN(26)))] = value(depth + 1)
		}
		return object
	}
	for range 2000 {
		v := value(0)
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		want, err := snapshot.Canonicalize(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		got, err := snapshot.AppendCanonical(nil, v)
		if diff := cmp.Diff(string(want), string(got)); err != nil || diff != "" {
			t.Fatalf("%s: %v -Canonicalize +AppendCanonical\n%s", raw, err, diff)
		}
	}
}

func TestAppendCanonicalTakesOtherTypes(t *testing.T) {
	in := map[string]any{
		"a": json.Number("1.0"), "b": int64(-3), "c": []string{"<"}, "d": json.RawMessage(`{"y":1,"x":2.0}`), "e": uint8(7), "f": 5,
	}
	got, err := snapshot.AppendCanonical([]byte("x"), in)
	want := `x{"a":1,"b":-3,"c":["<"],"d":{"x":2,"y":1},"e":7,"f":5}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	for _, bad := range []any{json.Number("x"), json.Number("1x"), json.Number(""), "\xff", map[string]any{"\xff": 1}, make(chan int)} {
		if got, err := snapshot.AppendCanonical([]byte("x"), bad); err == nil || string(got) != "x" {
			t.Errorf("%v: got %s, %v", bad, got, err)
		}
	}
}

func FuzzCanonicalize(f *testing.F) {
	for _, seed := range []string{`{"b":[1.0,{"z":null}],"a":"\u00e9\n"}`, `[1e21,-0.0,123456789012345678901234567890]`, `"\ud83d\ude00"`,
		`{"a":1,"a":2}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := snapshot.Canonicalize(raw)
		if err != nil {
			return
		}
		var want, is any
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatalf("%q: taken, though it is no JSON: %v", raw, err)
		}
		if err := json.Unmarshal(got, &is); err != nil || !reflect.DeepEqual(want, is) {
			t.Fatalf("%q: %s means something else (%v)", raw, got, err)
		}
		again, err := snapshot.Canonicalize(got)
		if err != nil || string(again) != string(got) {
			t.Fatalf("%q: %s is not stable: %s, %v", raw, got, again, err)
		}
		appended, err := snapshot.AppendCanonical(nil, json.RawMessage(raw))
		if err != nil || string(appended) != string(got) {
			t.Fatalf("%q: appended differs: %s, %v", raw, appended, err)
		}
	})
}

func BenchmarkCanonicalize(b *testing.B) {
	all := routes(10_000)
	b.ReportAllocs()
	for b.Loop() {
		for _, e := range all {
			if _, err := snapshot.Canonicalize(e.JSON); err != nil {
				b.Fatal(err)
			}
		}
	}
}
