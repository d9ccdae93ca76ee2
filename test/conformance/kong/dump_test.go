package kong_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestWhatDumpWritesForKongIsTheSame loads the golden cases of the translator twice: as gateways are given them, and as dump --format kong
// writes them. Both times the gateway has the same entities, under the same ids.
func TestWhatDumpWritesForKongIsTheSame(t *testing.T) {
	dirs, err := filepath.Glob("../../../kong/compile/testdata/golden/*/want.yaml")
	if err != nil || len(dirs) < 5 {
		t.Fatalf("golden cases: %d, %v", len(dirs), err)
	}
	each(t, func(t *testing.T, k *target) {
		for _, file := range dirs {
			dir := filepath.Dir(file)
			switch filepath.Base(dir) {
			case "consumer-groups", "decK-fields": // of the enterprise edition
				continue
			case "empty-configuration": // has no readiness (F5)
				continue
			case "yaml-features": // has fields that no plugin has
				if k.real {
					continue
				}
			}
			canonical, err := os.ReadFile(filepath.Join(dir, "want.json"))
			if err != nil {
				t.Fatal(err)
			}
			dump, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			kinds := kindsOf(t, canonical)
			k.load(t, string(canonical))
			want := k.entities(t, kinds)
			k.load(t, baseline)
			k.load(t, string(dump))
			if diff := cmp.Diff(want, k.entities(t, kinds)); diff != "" {
				t.Errorf("%s is another configuration (-canonical +dump):\n%s", dir, diff)
			}
		}
	})
}

func kindsOf(t *testing.T, canonical []byte) (kinds []string) {
	var top map[string]json.RawMessage
	if err := json.Unmarshal(bytes.TrimSpace(canonical), &top); err != nil {
		t.Fatal(err)
	}
	for kind := range top {
		if kind[0] != '_' && kind != "targets" {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// paths are where the Admin API has what is called otherwise in a file.
var paths = map[string]string{
	"keyauth_credentials": "key-auths", "basicauth_credentials": "basic-auths", "hmacauth_credentials": "hmac-auths", "jwt_secrets": "jwts",
	"oauth2_credentials": "oauth2", "key_sets": "key-sets",
}

// entities reads all entities of kinds, by kind and id, without the times of the load.
func (k *target) entities(t *testing.T, kinds []string) map[string]map[string]any {
	all := map[string]map[string]any{}
	for _, kind := range kinds {
		path := kind
		if other := paths[kind]; other != "" {
			path = other
		}
		var page struct{ Data []map[string]any }
		decode(t, get(t, k.admin+"/"+path+"?size=1000"), &page)
		for _, e := range page.Data {
			delete(e, "created_at")
			delete(e, "updated_at")
			id, _ := e["id"].(string)
			all[kind+" "+id] = e
		}
	}
	if len(all) == 0 {
		t.Fatal("the gateway has nothing")
	}
	return all
}
