package translate_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// A conformanceReport is what Kong published of a run of the suite with one of its controllers.
type conformanceReport struct {
	Mode     string // the router flavor; empty is expressions, which the first versions were run with
	Profiles []struct {
		Name     string
		Core     conformanceResult
		Extended conformanceResult
	}
}

type conformanceResult struct {
	SkippedTests, FailedTests, SupportedFeatures []string
}

// coreFeatures are those that a profile has without naming them.
var coreFeatures = map[string]string{
	"HTTP": "HTTPRoute", "GATEWAY-HTTP": "HTTPRoute", "GATEWAY-GRPC": "GRPCRoute", "GATEWAY-TLS": "TLSRoute", "GATEWAY-TCP": "TCPRoute",
	"GATEWAY-UDP": "UDPRoute",
}

// A passing says which tests a published run passed: those with its features alone that it did not leave out.
type passing struct {
	features map[string]bool
	left     []string
}

// passings are the published runs of Kong Ingress Controller and Kong Operator with a router flavor.
func passings(t *testing.T, dir, flavor string) (all []passing) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "kong-conformance-reports", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var report conformanceReport
		if err := yaml.Unmarshal(text, &report); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if strings.Contains(filepath.Base(file), "traditional") != (flavor == "traditional_compatible") {
			continue
		}
		for _, p := range report.Profiles {
			features := map[string]bool{"Gateway": true, "ReferenceGrant": true, coreFeatures[p.Name]: true}
			maps.Copy(features, setOf(p.Extended.SupportedFeatures))
			all = append(all, passing{features, slices.Concat(p.Core.SkippedTests, p.Core.FailedTests, p.Extended.SkippedTests,
				p.Extended.FailedTests)})
		}
	}
	if len(all) < 10 {
		t.Fatalf("%d published runs", len(all))
	}
	return all
}

func setOf(names []string) map[string]bool {
	set := map[string]bool{}
	for _, name := range names {
		set[name] = true
	}
	return set
}

// passed says whether one of some runs passed a test.
func passed(runs []passing, test conformanceTest) bool {
	return slices.ContainsFunc(runs, func(run passing) bool {
		return !slices.Contains(run.left, test.Test) &&
			!slices.ContainsFunc(test.Features, func(feature string) bool { return !run.features[feature] })
	})
}
