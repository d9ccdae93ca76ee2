package translator_test

import (
	"testing"

	"github.com/silverback-gateway/silverback/kit/fault"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

func TestAGroupThatTheRegistryDoesNotHaveIsRefused(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	_, err := r.submit(config("misspelt", "one", services("a")))
	wantFault(t, err, fault.Missing, "NO_SUCH_GROUP")
	_, err = r.ValidateConfig(t.Context(), &translatorv1.ValidateConfigRequest{Group: "misspelt",
		Documents: document("a.yaml", services("a"))})
	wantFault(t, err, fault.Missing, "NO_SUCH_GROUP")
	_, err = r.submit(config("no/such", "one", services("a")))
	wantFault(t, err, fault.Invalid, "INVALID_REQUEST")
	p.registry.set("misspelt", true)
	if answer := r.mustSubmit(config("misspelt", "one", services("a"))); answer.GetRevision().GetNumber() != 1 {
		t.Errorf("a group that was created since gave %v", answer)
	}
}

// What is still stored of a deleted group is history: nothing changes it any more.
func TestADeletedGroupTakesNoChanges(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	r.mustSubmit(config("g", "one", services("a")))
	p.registry.set("g", false)
	eventually(t, "the replica hears that the group is gone", func() bool {
		_, err := r.ValidateConfig(t.Context(), &translatorv1.ValidateConfigRequest{Group: "g", Documents: document("a.yaml", services("a"))})
		return fault.KindOf(fault.FromStatus(err)) == fault.Missing
	})
	_, err := r.submit(config("g", "one", services("a", "b")))
	wantFault(t, err, fault.Missing, "NO_SUCH_GROUP")
	_, err = r.DeleteSource(t.Context(), &translatorv1.DeleteSourceRequest{Group: "g", Source: "one", AllowShrink: true})
	wantFault(t, err, fault.Missing, "NO_SUCH_GROUP")
	if head := r.head("g"); head.GetNumber() != 1 {
		t.Errorf("the group is at %v", head)
	}
	p.registry.set("g", true)
	if _, err := r.DeleteSource(t.Context(), &translatorv1.DeleteSourceRequest{Group: "g", Source: "one", AllowShrink: true}); err != nil {
		t.Errorf("the group is there again: %v", err)
	}
}

func TestKnownGroupsOutliveTheRegistry(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	eventually(t, "the replica knows the group without asking", func() bool {
		asked := p.registry.timesAsked()
		r.mustSubmit(config("g", "one", services("a")))
		return p.registry.timesAsked() == asked
	})
	p.registry.stop()
	if answer := r.mustSubmit(config("g", "one", services("a", "b"))); answer.GetUnchanged() {
		t.Errorf("without the registry: %v", answer)
	}
	_, err := r.submit(config("unknown", "one", services("a")))
	wantFault(t, err, fault.Down, "REGISTRY_DOWN")
	if head := r.head("unknown"); head != nil {
		t.Errorf("the group got %v", head)
	}
}
