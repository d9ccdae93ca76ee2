package k8s_test

import (
	"slices"
	"strings"
	"testing"

	admission "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"
)

// withSource is production with the objects of the cluster as a source, as README.md shows it.
func withSource(tb testing.TB) *fleet {
	tb.Helper()
	return own(tb, map[string]string{"kustomization.yaml": example(tb, "# kustomization.yaml, with the objects of the cluster as a source")})
}

func TestTheSourceKeepsTheRules(t *testing.T) {
	f := withSource(t)
	for _, r := range rules {
		r(f, t.Errorf)
	}
	for short, replicas := range map[string]int32{"kubernetes": 2, "kubernetes-webhook": 2, "translator": 2} {
		if w, ok := f.workload(short); !ok || w.replicas == nil || *w.replicas != replicas {
			t.Errorf("%s exists: %v, want %d replicas", short, ok, replicas)
		}
	}
}

// TestTheSourceWritesNoSpec has the rights of both accounts. What is read is compared with the code beside the code.
func TestTheSourceWritesNoSpec(t *testing.T) {
	f := withSource(t)
	controller, _ := f.workload("kubernetes")
	webhook, _ := f.workload("kubernetes-webhook")
	for right := range f.rights(controller) {
		verb, resource, _ := strings.Cut(right, " ")
		read := slices.Contains([]string{"get", "list", "watch"}, verb)
		if !read && !strings.HasSuffix(resource, "/status") && !slices.Contains([]string{"events.k8s.io/events", "/events",
			"coordination.k8s.io/leases"}, resource) {
			t.Errorf("the controller may %s", right)
		}
		if right == "list /pods" || strings.Contains(right, "*") {
			t.Errorf("the controller may %s", right)
		}
	}
	if len(f.rights(webhook)) < 60 || len(f.rights(controller)) <= len(f.rights(webhook)) {
		t.Errorf("the webhook has %d rights, the controller %d", len(f.rights(webhook)), len(f.rights(controller)))
	}
	for right := range f.rights(webhook) {
		if verb, _, _ := strings.Cut(right, " "); !slices.Contains([]string{"get", "list", "watch"}, verb) {
			t.Errorf("the webhook may %s", right)
		}
		if !f.rights(controller)[right] {
			t.Errorf("the webhook may %s, and the controller not", right)
		}
	}
}

// TestOneNamespaceIsEnough has the component for a controller of some namespaces: without bindings there, it reads nothing in a namespace.
func TestOneNamespaceIsEnough(t *testing.T) {
	text := strings.Replace(example(t, "# kustomization.yaml, with the objects of the cluster as a source"),
		"kubernetes-source/webhook", "kubernetes-source/namespaced", 1)
	f := own(t, map[string]string{"kustomization.yaml": text})
	w, _ := f.workload("kubernetes")
	rights := f.rights(w)
	for _, right := range []string{"list /secrets", "watch networking.k8s.io/ingresses", "patch networking.k8s.io/ingresses/status"} {
		if rights[right] {
			t.Errorf("it may %s everywhere", right)
		}
	}
	for _, right := range []string{"list /namespaces", "watch networking.k8s.io/ingressclasses", "create coordination.k8s.io/leases"} {
		if !rights[right] {
			t.Errorf("it may not %s", right)
		}
	}
	bound, err := decode(example(t, "# rolebinding.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	team, err := newFleet(bound)
	if err != nil {
		t.Fatal(err)
	}
	if len(team.bindings) != 2 {
		t.Fatalf("README.md binds %d roles in a namespace", len(team.bindings))
	}
	for _, b := range team.bindings {
		if f.roles[b.role] == nil || len(b.subjects) != 1 || b.subjects[0].Name != w.pod.Spec.ServiceAccountName {
			t.Errorf("README.md binds %s to %v", b.role, b.subjects)
		}
	}
}

// TestTheWebhookCannotHoldTheClusterUp has what keeps a webhook from harm: bounds, and namespaces that it leaves alone.
func TestTheWebhookCannotHoldTheClusterUp(t *testing.T) {
	f := withSource(t)
	if len(f.webhooks) != 1 {
		t.Fatalf("%d configurations of webhooks", len(f.webhooks))
	}
	w, _ := f.workload("kubernetes-webhook")
	said := settings(t, f, w, w.pod.Spec.Containers[0])
	for _, hook := range f.webhooks[0].Webhooks {
		service := hook.ClientConfig.Service
		if service == nil || f.services[service.Name] == nil || service.Namespace != f.namespace || *service.Path != "/review" {
			t.Fatalf("%s asks %v", hook.Name, service)
		}
		if hook.TimeoutSeconds == nil || *hook.TimeoutSeconds > 5 || said["review-timeout"] != "4s" {
			t.Errorf("%s waits %v, the webhook answers within %v", hook.Name, hook.TimeoutSeconds, said["review-timeout"])
		}
		if *hook.SideEffects != admission.SideEffectClassNone || *hook.FailurePolicy != admission.Ignore || said["fail"] != "open" {
			t.Errorf("%s: side effects %v, failure policy %v, the webhook fails %v", hook.Name, *hook.SideEffects, *hook.FailurePolicy, said["fail"])
		}
		text, err := yaml.Marshal(hook.NamespaceSelector)
		if err != nil {
			t.Fatal(err)
		}
		for _, namespace := range []string{"kube-system", f.namespace} {
			if !strings.Contains(string(text), "- "+namespace+"\n") {
				t.Errorf("%s reviews the namespace %s", hook.Name, namespace)
			}
		}
		for _, rule := range hook.Rules {
			if slices.Contains(rule.Resources, "endpointslices") || slices.Contains(rule.Resources, "*") {
				t.Errorf("%s reviews %v", hook.Name, rule.Resources)
			}
			// The core's kinds are too many to review all of them.
			if rule.APIGroups[0] == "" && len(hook.MatchConditions) == 0 {
				t.Errorf("%s reviews every object of %v", hook.Name, rule.Resources)
			}
		}
	}
	inject := f.webhooks[0].Annotations["cert-manager.io/inject-ca-from"]
	serving := f.certificates["silverback-kubernetes-webhook-serving-tls"]
	if serving == nil || inject != f.namespace+"/"+serving.Name || len(serving.Spec.URIs) > 0 ||
		slices.Contains(serving.Spec.Usages, "client auth") ||
		!slices.Contains(serving.Spec.DNSNames, "silverback-kubernetes-webhook."+f.namespace+".svc") {
		t.Errorf("the authority comes from %q, the certificate is %+v", inject, serving)
	}
}

// TestTheSourcesSettings has the binaries check the settings that they would get.
func TestTheSourcesSettings(t *testing.T) {
	f := withSource(t)
	for _, short := range []string{"kubernetes", "kubernetes-webhook"} {
		w, _ := f.workload(short)
		c := w.pod.Spec.Containers[0]
		if out, err := newPod(t, f, w, c).check(); err != nil {
			t.Errorf("%s: %v: %s", short, err, out)
		}
		known := twins(t, c)
		for _, e := range c.Env {
			if strings.HasPrefix(e.Name, "SILVERBACK_") && !slices.Contains(known, e.Name) {
				t.Errorf("%s: %s is the twin of no flag", short, e.Name)
			}
		}
		for _, key := range []string{"registry", "translator", "distributor"} {
			for _, address := range list(settings(t, f, w, c)[key]) {
				if problem := f.unreachable(address, "grpc"); problem != "" {
					t.Errorf("%s: %s: %s", short, key, problem)
				}
			}
		}
	}
}
