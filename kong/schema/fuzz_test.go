package schema_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kong/schema"
)

// dear is what neither a bundle nor an entity of a fuzzer's size may take, on a machine that does other things too.
const dear = 5 * time.Second

// FuzzDecode feeds the reader of bundles anything. What it takes it gives back, and
// it checks entities without falling over.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"entities":{},"kong_version":"3.9.3","plugins":{},"vaults":{}}`), `{}`)
	f.Add(bundleOf(f, known).Encode(), `{"name":"a","url":"http://h","paths":["~/(a"],"config":{"limits":{"a":{"second":1}}}}`)
	f.Add(bundle(f, `{"f":{"type":"string","match":"^[%a]-(x)%1%b()%f[a]$"}},{"r":{"type":"record","fields":[]}}`,
		`{"conditional":{"if_field":"f","if_match":{"eq":"1"},"then_field":"r.x","then_match":{"required":true}}}`).Encode(), `{"f":"1","r":[]}`)
	for _, c := range hostile(f) {
		text, err := json.Marshal(c.entity)
		if err != nil {
			f.Fatal(err)
		}
		if len(text)+len(c.bundle.Encode()) < 64<<10 {
			f.Add(c.bundle.Encode(), string(text))
		}
	}
	f.Fuzz(func(t *testing.T, canonical []byte, entity string) {
		began := time.Now()
		b, err := schema.Decode(canonical)
		if took := time.Since(began); took > dear {
			t.Fatalf("reading it took %s", took)
		}
		if err != nil {
			return
		}
		if string(b.Encode()) != string(canonical) {
			t.Fatal("other bytes come back")
		}
		var value map[string]any
		if json.Unmarshal([]byte(entity), &value) != nil {
			return
		}
		budget, began := schema.BudgetFor(1, len(entity)), time.Now()
		for _, kind := range []string{"thing", "service", "route", "plugin", "vault", "key", "certificate"} {
			for _, check := range []func(context.Context, *schema.Budget, string, map[string]any) ([]schema.FieldError, error){b.Check,
				b.CheckStrict} {
				if found, err := check(t.Context(), budget, kind, value); err != nil && (found != nil || !errors.Is(err, schema.ErrBudget)) {
					t.Fatalf("%v, and %d errors", err, len(found))
				}
			}
		}
		if took := time.Since(began); took > dear {
			t.Fatalf("one entity took %s", took)
		}
	})
}

// FuzzCheck feeds sound schemas any entity.
func FuzzCheck(f *testing.F) {
	b := bundleOf(f, known)
	for _, seed := range []struct{ kind, entity string }{
		{"service", `{"name":"a","url":"http://u:p@[::1]:80/x?y"}`},
		{"route", `{"paths":["~/a[(?=\\1"],"protocols":["tcp",1],"headers":{"":["~*("]},"hosts":["*.a:"]}`},
		{"plugin", `{"name":"rate-limiting","config":{"second":"x","minute":{}}}`},
		{"key", `{"kid":1,"jwk":"{}","pem":[]}`},
		{"certificate",
			`{"cert":"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----",` +
				`"key":"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----"}`},
	} {
		f.Add(seed.kind, seed.entity)
	}
	f.Fuzz(func(t *testing.T, kind, entity string) {
		var value map[string]any
		if json.Unmarshal([]byte(entity), &value) != nil {
			return
		}
		before, _ := json.Marshal(value)
		for _, e := range verdict(t, b, kind, value) {
			if e.Rule.String() == "" || e.Message == "" {
				t.Errorf("an error without a rule or a message: %+v", e)
			}
			_, _ = e.Path.Kong(), e.String()
		}
		if after, _ := json.Marshal(value); string(before) != string(after) {
			t.Error("the entity was changed")
		}
	})
}
