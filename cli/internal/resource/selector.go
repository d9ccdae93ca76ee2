package resource

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/show"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// selector selects nodes by labels and by states.
type selector struct {
	labels []string // NAME=VALUE, NAME!=VALUE or NAME; all must match
	states []string // one of them must match
}

func (p *selector) addLabels(cmd *cobra.Command) {
	cmd.Flags().StringSliceVarP(&p.labels, "selector", "l", nil, "nodes with these labels: zone=a, zone!=a or zone, several with commas "+
		"between them")
}

func (p *selector) addStates(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&p.states, "state", nil, "nodes in one of these states: "+strings.Join(stateNames(), ", "))
}

func (p *selector) given() bool { return len(p.labels)+len(p.states) > 0 }

// check fails on labels and states that cannot be parsed.
func (p *selector) check() error {
	for _, label := range p.labels {
		if name, _, _ := strings.Cut(label, "="); strings.TrimSuffix(name, "!") == "" {
			return fmt.Errorf("-l %q: want a label such as zone=a, zone!=a or zone", label)
		}
	}
	for _, state := range p.states {
		if !slices.Contains(stateNames(), state) {
			return fmt.Errorf("--state %q: choose among %s", state, strings.Join(stateNames(), ", "))
		}
	}
	return nil
}

// matches reports whether a node is selected. A node without the label does not match zone!=a.
func (p *selector) matches(n *registryv1.Node) bool {
	for _, label := range p.labels {
		name, want, valued := strings.Cut(label, "=")
		name, not := strings.CutSuffix(name, "!")
		value, there := n.GetLabels()[name]
		holds := there
		if valued {
			holds = (there && value == want) != not
		}
		if !holds {
			return false
		}
	}
	return len(p.states) == 0 || slices.Contains(p.states, show.Enum(n.GetState(), "STATE_"))
}

// stateNames lists the states of a node as people write them.
func stateNames() []string {
	var names []string
	for number := range int32(len(registryv1.Node_State_name)) {
		if name := show.Enum(registryv1.Node_State(number), "STATE_"); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// inOrder sorts nodes by group and name in natural order: gw-2 comes before gw-10.
func inOrder(nodes []*registryv1.Node) {
	slices.SortStableFunc(nodes, func(a, b *registryv1.Node) int {
		return cmp.Or(strings.Compare(a.GetGroup(), b.GetGroup()), natural(a.GetName(), b.GetName()))
	})
}

// natural compares names, with numbers in them compared by value.
func natural(a, b string) int {
	for a != "" && b != "" {
		wordA, numberA, restA := leading(a)
		wordB, numberB, restB := leading(b)
		byValue := cmp.Or(cmp.Compare(len(numberA), len(numberB)), strings.Compare(numberA, numberB))
		if order := cmp.Or(strings.Compare(wordA, wordB), byValue); order != 0 {
			return order
		}
		a, b = restA, restB
	}
	return strings.Compare(a, b)
}

// leading cuts a name after its first number, which is returned without leading zeros.
func leading(s string) (word, number, rest string) {
	digit := func(r rune) bool { return r >= '0' && r <= '9' }
	start := strings.IndexFunc(s, digit)
	if start < 0 {
		return s, "", ""
	}
	end := start + 1
	for end < len(s) && digit(rune(s[end])) {
		end++
	}
	return s[:start], strings.TrimLeft(s[start:end], "0"), s[end:]
}
