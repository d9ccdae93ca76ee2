package translate

import (
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// granted says whether a ReferenceGrant in the namespace of to lets from name it.
func (t *translation) granted(from object.Object, to object.Ref) bool {
	by := object.RefOf(from)
	for _, grant := range object.List[*gateway.ReferenceGrant](t.set, "ReferenceGrant") {
		if grant.Namespace == to.Namespace && grants(grant.Spec, by, to) {
			return true
		}
	}
	return false
}

func grants(spec gateway.ReferenceGrantSpec, by, to object.Ref) bool {
	allowed := false
	for _, from := range spec.From {
		allowed = allowed || string(from.Group) == by.Group && string(from.Kind) == by.Kind && string(from.Namespace) == by.Namespace
	}
	if !allowed {
		return false
	}
	for _, target := range spec.To {
		if string(target.Group) == to.Group && string(target.Kind) == to.Kind && (target.Name == nil || string(*target.Name) == to.Name) {
			return true
		}
	}
	return false
}
