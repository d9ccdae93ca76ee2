package compile_test

import (
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/kong/proof"
)

// What the agents need for their proof of serving is refused at the submission: at the gateway it would be a nack in the first wave.
func TestWhatIsReservedIsRefused(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	for field, text := range map[string]string{
		"name":       "routes:\n- name: " + strings.ToUpper(proof.RouteName) + "\n  paths: [/a]\n",
		"hosts":      "routes:\n- name: a\n  hosts: [a.example, 'Silverback.internal.:8000']\n",
		"expression": "routes:\n- name: a\n  expression: http.host == \"" + proof.Host + "\"\n  priority: 1\n",
		"priority":   "routes:\n- name: a\n  expression: http.path ^= \"/\"\n  priority: 70368744177663\n",
		"id":         "routes:\n- name: a\n  id: " + strings.ToUpper(proof.RouteID) + "\n  paths: [/a]\n",
	} {
		snap, _, problems, err := build(c, []compile.Document{{Name: "a.yaml", Content: []byte("_format_version: \"3.0\"\n" + text)}})
		if err != nil || snap != nil || len(problems) != 1 || problems[0].Field != field ||
			!strings.Contains(problems[0].Message, "is reserved") {
			t.Errorf("%s: %v %v", field, lines(problems), err)
		}
	}
}

// TestThePriorityBelowTheReservedOneIsFree: it also comes from defaults, and routes without an expression have none.
func TestThePriorityBelowTheReservedOneIsFree(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	for text, refused := range map[string]bool{
		"routes:\n- name: a\n  expression: http.path ^= \"/\"\n  priority: 70368744177662\n":                                              false,
		"_info: {defaults: {route: {priority: 70368744177663}}}\nroutes:\n- name: a\n  expression: http.path ^= \"/\"\n":                  true,
		"_info: {defaults: {route: {priority: 70368744177663}}}\nroutes:\n- name: a\n  expression: http.path ^= \"/\"\n  priority: 100\n": false,
	} {
		_, _, problems, err := build(c, []compile.Document{{Name: "a.yaml", Content: []byte("_format_version: \"3.0\"\n" + text)}})
		if err != nil || (len(problems) > 0) != refused {
			t.Errorf("%s: %v %v", text, lines(problems), err)
		}
	}
}

// Kong takes a threshold of 255, and then no worker applies the configuration.
func TestAThresholdThatNoWorkerAppliesIsRefused(t *testing.T) {
	c := compile.New(compile.DefaultLimits())
	for threshold, refused := range map[string]bool{"254": false, "255": true} {
		for _, field := range []string{"passive.unhealthy.tcp_failures", "passive.healthy.successes", "active.unhealthy.http_failures",
			"active.unhealthy.timeouts"} {
			steps := strings.Split(field, ".")
			text := "_format_version: \"3.0\"\nupstreams:\n- name: a\n  healthchecks: {" + steps[0] + ": {" + steps[1] + ": {" + steps[2] + ": " +
				threshold + "}}}\n"
			_, _, problems, err := build(c, []compile.Document{{Name: "a.yaml", Content: []byte(text)}})
			if err != nil || (len(problems) > 0) != refused || refused && problems[0].Field != "healthchecks."+field {
				t.Errorf("%s of %s: %v %v", field, threshold, lines(problems), err)
			}
		}
	}
}
