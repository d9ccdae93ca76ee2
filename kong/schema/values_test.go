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
	for _, nested := range []string{"routes", "targets", "keyauth_credentials", "basicauth_credentials", "jwt_secrets", "acls"} {
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

// TestTableHoldsEveryRange: for each number with bounds, the table of verdicts has the values at both bounds, below and above.
func TestTableHoldsEveryRange(t *testing.T) {
	seen := map[string]map[float64]bool{}
	var collect func(path string, value any)
	collect = func(path string, value any) {
		switch value := value.(type) {
		case map[string]any:
			for name, v := range value {
				collect(strings.TrimPrefix(path+"."+name, "."), v)
			}
		case []any:
			for _, v := range value {
				collect(path+"[]", v)
			}
		case float64:
			if seen[path] == nil {
				seen[path] = map[float64]bool{}
			}
			seen[path][value] = true
		}
	}
	for _, v := range values.Table(t) {
		var config any
		if err := json.Unmarshal(v.Config(t), &config); err != nil {
			t.Fatalf("%s: %v", v, err)
		}
		collect("", config)
	}
	ranges := 0
	var each func(kind, path string, r *record)
	each = func(kind, path string, r *record) {
		for name, f := range r.fields {
			at := path + "." + name
			for f.elements != nil {
				f, at = f.elements, at+"[]"
			}
			if f.rec != nil {
				each(kind, at, f.rec)
			}
			if f.between == nil || kind == "route" && name == "priority" { // a field of the router flavor expressions
				continue
			}
			ranges++
			for _, want := range []float64{f.between[0] - 1, f.between[0], f.between[1], f.between[1] + 1} {
				if !seen[at][want] {
					t.Errorf("%s: the table has no verdict about %.0f", at, want)
				}
			}
		}
	}
	for kind, r := range builtIn().kinds {
		root := kind + "s[]"
		if kind == "target" {
			root = "upstreams[].targets[]"
		}
		each(kind, root, r)
	}
	if ranges < 25 {
		t.Errorf("%d ranges", ranges)
	}
}

// TestRulesReuseTheirCheckers: a large configuration has a million texts.
func TestRulesReuseTheirCheckers(t *testing.T) {
	host := ValueRule("services", "host")
	if per := testing.AllocsPerRun(1000, func() { host("a.example.com") }); per > 2 {
		t.Errorf("%.0f allocations for a valid text", per)
	}
	for range 2 {
		if host("1.2.3.400") == "" || host("a.example.com") != "" {
			t.Error("a verdict depends on the text before")
		}
	}
}

// TestOneOf: lists of values need no gateway, and hold for both editions.
func TestOneOf(t *testing.T) {
	for path, want := range map[string][]string{
		"https_redirect_status_code": {"301", "302", "307", "308", "426"}, "path_handling": {"v0", "v1"}, "protocols[]": Protocols(), "name": nil,
	} {
		if got := OneOf("routes", path); !slices.Equal(got, want) {
			t.Errorf("%s: %q", path, got)
		}
	}
}
