package schema

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/testkit/values"
)

// TestBuiltInRules holds the built-in rules to the table of verdicts.
func TestBuiltInRules(t *testing.T) {
	for _, v := range values.Table(t) {
		if v.NeedsGateway() {
			continue
		}
		var config map[string]json.RawMessage
		if err := json.Unmarshal(v.Config(t), &config); err != nil {
			t.Fatalf("%s: %v", v, err)
		}
		delete(config, "_format_version")
		var why []string
		for kind, list := range config {
			var entities []map[string]any
			if err := json.Unmarshal(list, &entities); err != nil {
				t.Fatalf("%s: %v", v, err)
			}
			for _, e := range entities {
				why = append(why, refusals(t, kind, e)...)
			}
		}
		if taken := len(why) == 0; taken != v.Taken() {
			t.Errorf("%s: %s, and the rules say %q", v, v.Verdict, why)
		}
	}
}

// refusals checks an entity and what is nested in it by the built-in rules, which know only fields with a rule.
func refusals(t *testing.T, kind string, entity map[string]any) (why []string) {
	t.Helper()
	for _, nested := range []string{"routes", "targets", "keyauth_credentials", "basicauth_credentials", "acls"} {
		list, _ := entity[nested].([]any)
		delete(entity, nested)
		for _, item := range list {
			why = append(why, refusals(t, nested, item.(map[string]any))...)
		}
	}
	found, err := builtIn().Check(t.Context(), NewBudget(1<<30), singular(kind), entity)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range found {
		if e.Rule != UnknownField && e.Rule != Unsupported {
			why = append(why, e.String())
		}
	}
	return why
}

// TestHostsNeedNoGateway: the built-in rules judge them without any gateway.
func TestHostsNeedNoGateway(t *testing.T) {
	rule := ValueRule("services", "host")
	for host, taken := range map[string]bool{"-a.example": true, strings.Repeat("a", 64) + ".example": true, "1.2.3.400": false} {
		if why := rule(host); (why == "") != taken {
			t.Errorf("%s: taken is %v, want %v: %s", host, why == "", taken, why)
		}
	}
	for kind, path := range map[string]string{"services": "nosuch", "nosuch": "name", "routes": "sources[].nosuch"} {
		if ValueRule(kind, path) != nil {
			t.Errorf("%s %s has a rule", kind, path)
		}
	}
	if !slices.IsSorted(Protocols()) {
		t.Error(Protocols())
	}
}
