package manifest

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// Reads says whether objects of a kind are read. Those of other kinds mean nothing to a gateway.
func Reads(group, kindName string) bool {
	_, known := kinds[schema.GroupKind{Group: group, Kind: kindName}]
	return known
}

// DecodeAs reads one object, as an API server sends it in JSON. The kind must be one that is read. An error names the field that has the
// wrong form, and nothing of what stands in it.
func DecodeAs(group, kindName string, text []byte) (object.Object, error) {
	k, known := kinds[schema.GroupKind{Group: group, Kind: kindName}]
	if !known {
		return nil, fmt.Errorf("objects of kind %s are not translated", kindName)
	}
	obj := k.make()
	if err := json.Unmarshal(text, obj); err != nil {
		return nil, fmt.Errorf("the object does not decode: %s", withoutValues(err))
	}
	if k.scope == cluster {
		obj.SetNamespace("")
	}
	return obj, nil
}
