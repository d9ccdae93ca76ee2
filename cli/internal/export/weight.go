package export

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// usualWeight is the weight of a gateway that no flag names, when a flag names others.
const usualWeight = 100

// A weightFlag is --weight: the shares of traffic that gateways with a label get.
type weightFlag struct {
	texts []string
	rules []weightRule
}

type weightRule struct {
	label  string // as fleet.HasLabel reads it
	weight int
}

func (f *weightFlag) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.texts, "weight", nil, fmt.Sprintf("weight of the gateways with a label, from 1 to %d, as in canary=true:1; "+
		"the others have %d. Once for each label, and the first that a gateway has counts", usualWeight, usualWeight))
}

// check reads the flag.
func (f *weightFlag) check() error {
	for _, text := range f.texts {
		at := max(0, strings.LastIndex(text, ":")) // values of labels may have some
		weight, err := strconv.Atoi(strings.TrimPrefix(text[at:], ":"))
		if at == 0 || err != nil || weight < 1 || weight > usualWeight {
			return fmt.Errorf("--weight %q: want LABEL=VALUE:WEIGHT with a weight from 1 to %d, as in canary=true:1", text, usualWeight)
		}
		f.rules = append(f.rules, weightRule{label: text[:at], weight: weight})
	}
	return nil
}

// of returns the weight of a gateway for the line of its server; empty without the flag.
func (f *weightFlag) of(m member) string {
	if len(f.rules) == 0 {
		return ""
	}
	for _, r := range f.rules {
		if fleet.HasLabel(m.labels, r.label) {
			return strconv.Itoa(r.weight)
		}
	}
	return strconv.Itoa(usualWeight)
}
