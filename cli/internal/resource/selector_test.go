package resource

import (
	"slices"
	"strings"
	"testing"

	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

func TestNodesStandInTheOrderOfTheirNumbers(t *testing.T) {
	want := strings.Fields("a gw gw-1 gw-2 gw-2-b gw-10 gw-10-a1 gw-10-a02 gw-99999999999999999999 gw-x h")
	nodes := []*registryv1.Node{{Group: "a", Name: "z"}}
	for _, name := range want {
		nodes = append(nodes, &registryv1.Node{Group: "b", Name: name})
	}
	slices.Reverse(nodes)
	inOrder(nodes)
	var got []string
	for _, n := range nodes {
		got = append(got, n.GetName())
	}
	if !slices.Equal(got, append([]string{"z"}, want...)) {
		t.Errorf("got  %v\nwant z %v", got, want)
	}
}

func TestNodesAreChosenByLabelsAndStates(t *testing.T) {
	n := &registryv1.Node{State: registryv1.Node_STATE_DEGRADED, Labels: map[string]string{"zone": "a", "rack": "7", "spare": ""}}
	for _, tt := range []struct {
		labels, states string
		matches        bool
	}{
		{matches: true},
		{labels: "zone=a", matches: true},
		{labels: "zone=a,rack=7", matches: true},
		{labels: "zone=a,rack=8"},
		{labels: "zone=b"},
		{labels: "zone!=b", matches: true},
		{labels: "zone!=a"},
		{labels: "row!=1", matches: true},
		{labels: "row=1"},
		{labels: "row="},
		{labels: "spare=", matches: true},
		{labels: "spare", matches: true},
		{labels: "row"},
		{states: "degraded", matches: true},
		{states: "ready,degraded", matches: true},
		{states: "ready"},
		{labels: "zone=a", states: "ready"},
	} {
		split := func(s string) []string { return strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) }
		p := selector{labels: split(tt.labels), states: split(tt.states)}
		if got := p.matches(n); got != tt.matches || p.check() != nil {
			t.Errorf("-l %q --state %q takes it: %v, want %v", tt.labels, tt.states, got, tt.matches)
		}
	}
	for _, p := range []selector{{labels: []string{"=a"}}, {labels: []string{"!=a"}}, {labels: []string{""}}, {states: []string{"broken"}}} {
		if p.check() == nil {
			t.Errorf("%v is taken", p)
		}
	}
}
