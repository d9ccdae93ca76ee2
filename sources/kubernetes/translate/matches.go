package translate

import (
	"iter"

	gateway "sigs.k8s.io/gateway-api/apis/v1"
)

// matchOfHost is one match of a rule for one host. An empty host is every host.
type matchOfHost[R, M any] struct {
	host       string
	rule       R
	ruleNumber int
	match      M
	number     int // among the matches of the rule
}

// matchesOfHosts makes every pair of a host and a match of some rules. A rule without matches has the empty one.
func matchesOfHosts[R, M any](names []gateway.Hostname, rules []R, matchesOf func(R) []M) iter.Seq[matchOfHost[R, M]] {
	hosts := hostnames(names)
	if len(hosts) == 0 {
		hosts = []string{""}
	}
	return func(yield func(matchOfHost[R, M]) bool) {
		for _, host := range hosts {
			for ruleNumber, rule := range rules {
				matches := matchesOf(rule)
				if len(matches) == 0 {
					matches = make([]M, 1)
				}
				for number, match := range matches {
					if !yield(matchOfHost[R, M]{host, rule, ruleNumber, match, number}) {
						return
					}
				}
			}
		}
	}
}

// is says whether an optional field is set to a value.
func is[T comparable](field *T, value T) bool { return field != nil && *field == value }
