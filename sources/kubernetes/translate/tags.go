package translate

import (
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// unknownTags are the tags of a service none of whose backends exists.
var unknownTags = []string{
	"k8s-name:UNKNOWN", "k8s-namespace:UNKNOWN", "k8s-kind:Service", "k8s-uid:00000000-0000-0000-0000-000000000000", "k8s-group:core",
	"k8s-version:v1",
}

// tagsOf says in tags which object an entity came from, then which named rules of it, then what the object itself asks for.
func tagsOf(obj object.Object, rules ...string) []string {
	kind := obj.GetObjectKind().GroupVersionKind()
	var tags []string
	add := func(prefix, value string) {
		if value != "" {
			tags = append(tags, prefix+value)
		}
	}
	add("k8s-name:", obj.GetName())
	add("k8s-namespace:", obj.GetNamespace())
	add("k8s-kind:", kind.Kind)
	add("k8s-uid:", string(obj.GetUID()))
	add("k8s-group:", kind.Group)
	add("k8s-version:", kind.Version)
	for _, rule := range rules {
		if strings.TrimSpace(rule) != "" {
			tags = append(tags, "k8s-named-route-rule:"+rule)
		}
	}
	var asked []string
	for _, tag := range list(obj.GetAnnotations()[annotationTags]) {
		if !slices.Contains(asked, tag) {
			asked = append(asked, tag)
		}
	}
	return append(tags, asked...)
}
