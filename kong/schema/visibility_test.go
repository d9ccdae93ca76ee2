package schema_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/schema"
)

func TestMarks(t *testing.T) {
	b := bundleOf(t, schema.Texts{
		Entities: map[string]json.RawMessage{
			"plugins": json.RawMessage(`{"fields":[{"name":{"type":"string"}},{"tags":{"type":"set","elements":{"type":"string"}}}]}`),
			"things":  json.RawMessage(`{"fields":[{"open":{"type":"string"}},{"code":{"type":"any"}}]}`),
		},
		Plugins: map[string]json.RawMessage{"p": json.RawMessage(`{"fields":[{"config":{"type":"record","fields":[
			{"open":{"type":"integer"}},{"hidden":{"type":"string","encrypted":true}},{"vaulted":{"type":"string","referenceable":true}},
			{"deep":{"type":"record","encrypted":true,"fields":[{"open":{"type":"string"}}]}},
			{"list":{"type":"array","elements":{"type":"string","encrypted":true}}},{"plain":{"type":"array","elements":{"type":"string"}}},
			{"map":{"type":"map","keys":{"type":"string","encrypted":true},"values":{"type":"string"}}},
			{"marked":{"type":"map","keys":{"type":"string"},"values":{"type":"string","referenceable":true}}}],
			"shorthand_fields":[{"old":{"type":"string","deprecation":{"replaced_with":[{"path":["hidden"]}]}}},{"older":{"type":"string",` +
			`"deprecation":{"replaced_with":[{"path":["open"]}]}}}]}}]}`)},
	})
	for path, want := range map[string]schema.Visibility{
		"config": schema.Undescribed, "config.open": schema.Public, "config.hidden": schema.Secret, "config.vaulted": schema.Secret,
		"config.nosuch": schema.Undescribed,
		"config.deep":   schema.Secret, "config.deep.open": schema.Secret, "config.deep.nosuch": schema.Secret, "config.list.[]": schema.Secret,
		"config.list":     schema.Undescribed,
		"config.plain.[]": schema.Public, "config.plain.x": schema.Undescribed, "config.map.x": schema.Secret, "config.marked.x": schema.Secret,
		"config.open.x": schema.Undescribed,
		"config.old":    schema.Secret, "config.older": schema.Public, "name": schema.Public, "tags.[]": schema.Public,
		"nosuch": schema.Undescribed,
	} {
		place := b.Place("plugin", "p")
		for step := range strings.SplitSeq(path, ".") {
			if step == "[]" {
				place = place.Item()
				continue
			}
			place = place.In(step)
		}
		if got := place.Visibility(); got != want || place.Marked() != (want == schema.Secret) {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	if b.Place("thing", "").In("open").Visibility() != schema.Public ||
		b.Place("thing", "").In("code").In("x").Visibility() != schema.Undescribed ||
		b.Place("plugin", "q").In("config").In("open").Visibility() != schema.Undescribed ||
		b.Place("nosuch", "").In("open").Visibility() != schema.Undescribed {
		t.Error("a place of another entity")
	}
	if !b.Place("plugin", "p").In("config").Opens() || b.Place("plugin", "p").In("config").In("deep").Opens() ||
		b.Place("plugin", "p").In("config").In("map").Opens() {
		t.Error("what opens")
	}
	for text, want := range map[string]bool{"{vault://env/a}": true, "{vault://env/a} x": false, "{vault://}": false,
		"{vault://a}s3cret{vault://b}": false, "{vault://a b}": false, "": false} {
		if schema.IsReference(text) != want {
			t.Errorf("%q", text)
		}
	}
}
