package translate

import (
	"fmt"

	networking "k8s.io/api/networking/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/kongcrd"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// defaultClass is the class of objects unless the options say otherwise.
const defaultClass = "kong"

// readClass finds the IngressClass of this controller and its parameters.
func (t *translation) readClass() {
	class, ok := object.Get[*networking.IngressClass](t.set, "IngressClass", "", t.IngressClass)
	if !ok {
		return
	}
	t.lazyClass = class.Annotations[annotationDefaultClass] == "true"
	named := class.Spec.Parameters
	if named == nil {
		return
	}
	if named.APIGroup == nil || *named.APIGroup != kongcrd.Group || named.Kind != kongcrd.KindIngressClassParameters ||
		named.Scope == nil || named.Namespace == nil {
		t.problem(object.ReasonInvalid, "the parameters of the class are not namespaced IngressClassParameters of "+kongcrd.Group, class)
		return
	}
	parameters, ok := object.Get[*kongcrd.IngressClassParameters](t.set, kongcrd.KindIngressClassParameters, *named.Namespace, named.Name)
	if !ok {
		t.problem(object.ReasonUnresolved, fmt.Sprintf("there are no IngressClassParameters %s/%s", *named.Namespace, named.Name), class)
		return
	}
	t.parameters = *parameters
}

// ours says whether an object of Kong's own kinds has our class. Where our class is the cluster's default, none will do.
func (t *translation) ours(obj object.Object) bool {
	return t.oursByName(obj.GetAnnotations()[annotationClass])
}

func (t *translation) oursByName(class string) bool {
	return class == t.IngressClass || t.lazyClass && class == ""
}

// oursIngress says whether an Ingress has our class: by annotation, else by its field, else by default.
func (t *translation) oursIngress(ingress *networking.Ingress) bool {
	if class := ingress.Annotations[annotationClass]; class != "" {
		return class == t.IngressClass
	}
	if class := ingress.Spec.IngressClassName; class != nil {
		return *class == t.IngressClass
	}
	return t.lazyClass
}

// Ours says which objects belong to the controller of options: by their class or their controller's name. A KongPlugin has neither, and
// neither have routes of the Gateway API, which belong to whoever has their parents: they count as ours.
func Ours(set *object.Set, options Options) func(object.Object) bool {
	if options.IngressClass == "" {
		options.IngressClass = defaultClass
	}
	t := &translation{Options: options, set: set}
	t.readClass()
	return func(obj object.Object) bool {
		switch obj := obj.(type) {
		case *networking.Ingress:
			return t.oursIngress(obj)
		case *kongcrd.CustomEntity:
			return t.oursByName(obj.Spec.ControllerName)
		case *kongcrd.Plugin:
			return obj.Namespace != "" || t.ours(obj)
		case *kongcrd.Consumer, *kongcrd.ConsumerGroup, *kongcrd.Vault:
			return t.ours(obj)
		}
		return true
	}
}
