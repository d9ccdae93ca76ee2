package translate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/sources/kubernetes/manifest"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// TestCustomEntitiesOfOtherKindsAreRefusedByName has types that would stand in the place of others' entities, and such that nobody takes.
func TestCustomEntitiesOfOtherKindsAreRefusedByName(t *testing.T) {
	const text = "{apiVersion: configuration.konghq.com/v1alpha1, kind: KongCustomEntity, metadata: {namespace: web, name: own}, spec: {" +
		"type: %q, controllerName: kong, fields: {name: n}}}"
	for kind, taken := range map[string]bool{
		"degraphql_routes": true, "keys": true, "key_sets": true, "graphql_ratelimiting_cost_decorations": true,
		"certificates": false, "ca_certificates": false, "vaults": false, "snis": false, "services": false, "consumer_group_consumers": false,
		"_format_version": false, "_transform": false, "custom_entities": false, "none": false, "degraphql_route": false, "": false,
	} {
		set := &object.Set{}
		if _, err := manifest.Read("test", strings.NewReader(fmt.Sprintf(text, kind)), set); err != nil {
			t.Fatal(err)
		}
		result := translate.Translate(set, translate.Options{})
		if got := len(result.Config.Custom) == 1; got != taken {
			t.Errorf("%q is taken: %v", kind, got)
		}
		if !taken && (len(result.Problems) != 1 || result.Problems[0].Reason != object.ReasonUnsupported ||
			result.Problems[0].Objects[0].Name != "own") {
			t.Errorf("%q: %+v", kind, result.Problems)
		}
	}
}
