package gatewayapi

import (
	"testing"

	report "sigs.k8s.io/gateway-api/conformance/apis/v1"
	"sigs.k8s.io/gateway-api/conformance/tests"
)

func TestTheTableHasEveryCount(t *testing.T) {
	got := Table([]*report.ConformanceReport{nil, {Mode: "expressions", ProfileReports: []report.ProfileReport{{
		Name: "GATEWAY-HTTP",
		Core: report.Status{
			Statistics: report.Statistics{Passed: 3, Failed: 2, Skipped: 1}, FailedTests: []string{"A", "B"}, SkippedTests: []string{"C"},
		},
		Extended: &report.ExtendedStatus{Status: report.Status{Statistics: report.Statistics{Passed: 4}}},
	}, {Name: "GATEWAY-GRPC"}}}})
	const want = `| router flavor | profile | level | passed | failed | skipped |
|---|---|---|---|---|---|
| expressions | GATEWAY-GRPC | core | 0 | 0 | 0 |
| expressions | GATEWAY-HTTP | core | 3 | 2 | 1 |
| expressions | GATEWAY-HTTP | extended | 4 | 0 | 0 |

expressions, GATEWAY-HTTP, core failed: A, B
expressions, GATEWAY-HTTP, core skipped: C
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestSkippedTestsAreOfTheSuite: a test that was renamed would run again, unnoticed.
func TestSkippedTestsAreOfTheSuite(t *testing.T) {
	known := map[string]bool{}
	for _, test := range oneByOne(tests.ConformanceTests) {
		known[test.ShortName] = true
		if test.Parallel {
			t.Errorf("%s runs beside others", test.ShortName)
		}
	}
	for _, name := range skipped {
		if !known[name] {
			t.Errorf("the suite has no %s", name)
		}
		if got := chosen(tests.ConformanceTests, name+",none"); len(got) != 1 || got[0].ShortName != name {
			t.Errorf("%d tests are called %s", len(got), name)
		}
	}
}
