package compile_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/testkit/values"
)

// TestValueTable holds the compiler to the table of verdicts, without any gateway and with the recorded schemas of one.
//
// One verdict differs on purpose: a gateway answers 201 to a threshold of 255, and no worker of it applies the configuration.
func TestValueTable(t *testing.T) {
	unapplied := regexp.MustCompile(`"(successes|timeouts|http_failures|tcp_failures)":\s*255`)
	hold := func(t *testing.T, validators []compile.Validator, skip func(values.Value) bool) {
		for _, v := range values.Table(t) {
			if skip(v) {
				continue
			}
			problems := explain(t, validators, []compile.Document{{Name: "a.json", Content: v.Config(t)}}, nil)
			want := v.Taken() && !(v.Rule == "upstream.healthchecks" && unapplied.Match(v.Value))
			if taken := len(problems) == 0; taken != want {
				t.Errorf("%s: %s, and the compiler says %q", v, v.Verdict, lines(problems))
			}
		}
	}
	t.Run("without a gateway", func(t *testing.T) {
		hold(t, nil, func(v values.Value) bool {
			// A placeholder is a warning, and an endpoint without anything is left to the schemas of gateways.
			return v.NeedsGateway() || strings.Contains(string(v.Value), "${HOST}") || string(v.Value) == "[{}]"
		})
	})
	t.Run("with a gateway", func(t *testing.T) {
		hold(t, []compile.Validator{recorded(t)}, func(values.Value) bool { return false })
	})
}
