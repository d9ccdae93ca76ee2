package webhook

import (
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/kongcrd"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// probeName is the name of the objects that use one under review. They are in no cluster.
const probeName = "silverback-review"

// The annotations and the label by which objects are used.
const (
	annotationClass          = "kubernetes.io/ingress.class"
	annotationPlugins        = "konghq.com/plugins"
	annotationUpstreamPolicy = "konghq.com/upstream-policy"
	labelCredential          = "konghq.com/credential"
)

// alone is what an object means that nothing uses yet: a plugin, a policy or a credential of our class, which the translation of the
// cluster leaves out until something names it. The objects that it names itself come from set. Other objects mean nothing alone.
func alone(set *object.Set, obj object.Object, options translate.Options) translate.Result {
	if class := obj.GetAnnotations()[annotationClass]; class != "" && class != options.IngressClass {
		return translate.Result{}
	}
	users := usersOf(obj, options.IngressClass)
	if users == nil {
		return translate.Result{}
	}
	small := &object.Set{}
	small.Add(obj)
	for _, user := range users {
		small.Add(user)
	}
	for _, ref := range translate.Dependencies(set, obj) {
		if named, ok := object.Get[object.Object](set, ref.Kind, ref.Namespace, ref.Name); ok {
			small.Add(named)
		}
	}
	options.Attach = false
	result := translate.Translate(small, options)
	result.Problems = about(result.Problems, object.RefOf(obj))
	return result
}

// usersOf makes objects that use obj, for the kinds that mean nothing by themselves.
func usersOf(obj object.Object, class string) []object.Object {
	namespace := obj.GetNamespace()
	if namespace == "" {
		namespace = meta.NamespaceDefault
	}
	switch obj := obj.(type) {
	case *kongcrd.Plugin:
		return probeIngress(namespace, class, map[string]string{annotationPlugins: obj.Name}, nil)
	case *kongcrd.UpstreamPolicy:
		return probeIngress(namespace, class, nil, map[string]string{annotationUpstreamPolicy: obj.Name})
	case *core.Secret:
		if _, ok := obj.Labels[labelCredential]; ok {
			user := &kongcrd.Consumer{Username: probeName, Credentials: []string{obj.Name}}
			user.TypeMeta = meta.TypeMeta{APIVersion: kongcrd.Group + "/v1", Kind: kongcrd.KindConsumer}
			user.ObjectMeta = meta.ObjectMeta{Namespace: namespace, Name: probeName, Annotations: map[string]string{annotationClass: class}}
			return []object.Object{user}
		}
	}
	return nil
}

// probeIngress is an Ingress with a Service.
func probeIngress(namespace, class string, ofIngress, ofService map[string]string) []object.Object {
	named := func(annotations map[string]string) meta.ObjectMeta {
		return meta.ObjectMeta{Namespace: namespace, Name: probeName, Annotations: annotations}
	}
	service := &core.Service{
		TypeMeta: meta.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: named(ofService),
		Spec: core.ServiceSpec{Ports: []core.ServicePort{{Port: 80}}},
	}
	ingress := &networking.Ingress{
		TypeMeta: meta.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"}, ObjectMeta: named(ofIngress),
		Spec: networking.IngressSpec{IngressClassName: &class, Rules: []networking.IngressRule{{
			Host: probeName + ".invalid",
			IngressRuleValue: networking.IngressRuleValue{HTTP: &networking.HTTPIngressRuleValue{Paths: []networking.HTTPIngressPath{{
				Path: "/", PathType: new(networking.PathTypePrefix),
				Backend: networking.IngressBackend{Service: &networking.IngressServiceBackend{
					Name: probeName, Port: networking.ServiceBackendPort{Number: 80},
				}},
			}}}},
		}}},
	}
	return []object.Object{service, ingress}
}

// isProbe says whether a name is one of an object that only uses the one under review.
func isProbe(ref object.Ref) bool { return ref.Name == probeName }

// about keeps the problems that name ref, without the names of probes.
func about(problems []object.Problem, ref object.Ref) []object.Problem {
	var kept []object.Problem
	for _, p := range problems {
		if !names(p.Objects, ref) {
			continue
		}
		var others []object.Ref
		for _, o := range p.Objects {
			if !isProbe(o) {
				others = append(others, o)
			}
		}
		p.Objects = others
		kept = append(kept, p)
	}
	return kept
}
