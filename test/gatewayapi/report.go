package gatewayapi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	report "sigs.k8s.io/gateway-api/conformance/apis/v1"
)

// Table shows what reports say, for people: how many tests passed, failed and were skipped, and which.
func Table(reports []*report.ConformanceReport) string {
	var out strings.Builder
	out.WriteString("| router flavor | profile | level | passed | failed | skipped |\n|---|---|---|---|---|---|\n")
	var named strings.Builder
	for _, r := range reports {
		if r == nil {
			continue // it ended before its report
		}
		profiles := slices.SortedFunc(slices.Values(r.ProfileReports), func(a, b report.ProfileReport) int { return cmp.Compare(a.Name, b.Name) })
		for _, p := range profiles {
			row := func(level string, s report.Status) {
				fmt.Fprintf(&out, "| %s | %s | %s | %d | %d | %d |\n", r.Mode, p.Name, level, s.Passed, s.Failed, s.Skipped)
				named.WriteString(names(r.Mode, p.Name, level+" failed", s.FailedTests) + names(r.Mode, p.Name, level+" skipped", s.SkippedTests))
			}
			row("core", p.Core)
			if p.Extended != nil {
				row("extended", p.Extended.Status)
			}
		}
	}
	return out.String() + "\n" + named.String()
}

func names(mode, profile, what string, tests []string) string {
	if len(tests) == 0 {
		return ""
	}
	return fmt.Sprintf("%s, %s, %s: %s\n", mode, profile, what, strings.Join(tests, ", "))
}
