package k8s_test

import (
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// podsAreRestricted asks Kubernetes' own admission by its strictest standard, which the namespaces enforce.
func podsAreRestricted(f *fleet, wrong func(string, ...any)) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		wrong("the admission's checks: %v", err)
		return
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for _, w := range f.workloads {
		for _, result := range evaluator.EvaluatePod(level, &w.pod.ObjectMeta, &w.pod.Spec) {
			if !result.Allowed {
				wrong("%s would not be admitted: %s: %s", w.name, result.ForbiddenReason, result.ForbiddenDetail)
			}
		}
	}
}
