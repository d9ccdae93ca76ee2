package translate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/kongcrd"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// vault is a vault that is being made.
type vault struct {
	declarative.Vault
	origin object.Ref
}

// readVaults makes the vaults of our class. Of several with one prefix the oldest counts.
func (t *translation) readVaults() {
	byPrefix := map[string]*kongcrd.Vault{}
	for _, source := range object.List[*kongcrd.Vault](t.set, kongcrd.KindVault) {
		if !t.ours(source) {
			continue
		}
		winner, loser := source, byPrefix[source.Spec.Prefix]
		if loser != nil {
			if !older(winner, loser) {
				winner, loser = loser, winner
			}
			t.problem(object.ReasonConflict, fmt.Sprintf("the prefix %q is that of an older vault, %s", source.Spec.Prefix, winner.Name), loser)
		}
		byPrefix[source.Spec.Prefix] = winner
	}
	for _, prefix := range slices.Sorted(maps.Keys(byPrefix)) {
		source := byPrefix[prefix]
		made := declarative.Vault{
			ID: t.id("vaults", prefix), Name: source.Spec.Backend, Prefix: prefix, Description: source.Spec.Description, Tags: tagsOf(source),
		}
		if present(source.Spec.Config) && json.Unmarshal(source.Spec.Config, &made.Config) != nil {
			t.problem(object.ReasonInvalid, "config is no object", source)
			continue
		}
		t.vaults = append(t.vaults, vault{made, object.RefOf(source)})
	}
}
