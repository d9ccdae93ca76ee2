package translator_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fault"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

const nothing = "_format_version: \"3.0\"\n"

func meant(q *translatorv1.SubmitConfigRequest) *translatorv1.SubmitConfigRequest {
	q.AllowShrink = true
	return q
}

func caseText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(shared.Dir(t), "cases", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func messages(problems []*fleetv1.Problem) (all []string) {
	for _, p := range problems {
		all = append(all, p.GetMessage())
	}
	return all
}

// What all gateways serve can be put back after a smaller revision that none of them took.
func TestPuttingBackWhatGatewaysServeIsNoShrink(t *testing.T) {
	good, broken := caseText(t, "05-swap-a.yaml"), caseText(t, "20-broken.yaml")
	p := startPlane(t, "g")
	r := p.replica(t)
	p.registry.serves("g", 3, r.mustSubmit(config("g", "team", good)).GetRevision())
	r.mustSubmit(meant(config("g", "team", broken)))
	if got := r.mustSubmit(config("g", "team", good)).GetRevision(); got.GetNumber() != 3 {
		t.Errorf("the file that all gateways serve gave %v", got)
	}
}

// A larger revision that no gateway took stands in nobody's way; one that a single gateway took is guarded.
func TestTheGuardMeasuresWhatGatewaysWouldLose(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	p.registry.serves("g", 5, r.mustSubmit(config("g", "team", services("a", "b"))).GetRevision())
	large := r.mustSubmit(config("g", "team", services("a", "b", "c", "d", "e", "f"))).GetRevision()
	r.mustSubmit(config("g", "team", services("a", "b", "x")))
	p.registry.serves("g", 1, large)
	_, err := r.submit(config("g", "team", services("a", "b")))
	if e := wantFault(t, err, fault.WrongState, "CONFIG_SHRINK"); e.Metadata["entities"] != "12" || e.Metadata["removed"] != "8" ||
		!strings.Contains(e.Message, "revision 2") {
		t.Errorf("the fault is %v %v", e.Message, e.Metadata)
	}
}

// Step by step, each a little, is as much as at once while no gateway takes a step.
func TestStepsThatNoGatewayTakesAreMeasuredTogether(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	p.registry.serves("g", 1, r.mustSubmit(config("g", "team", services("a", "b", "c", "d"))).GetRevision())
	r.mustSubmit(config("g", "team", services("a", "b")))
	_, err := r.submit(config("g", "team", services("a")))
	wantFault(t, err, fault.WrongState, "CONFIG_SHRINK")
}

func TestWithoutTheRegistryTheNewestRevisionIsMeasured(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	p.registry.serves("g", 1, r.mustSubmit(config("g", "team", services("a"))).GetRevision())
	r.mustSubmit(config("g", "team", services("a", "b", "c", "d")))
	eventually(t, "the replica knows the group without asking", func() bool {
		asked := p.registry.timesAsked()
		r.mustSubmit(config("g", "team", services("a", "b", "c", "d")))
		return p.registry.timesAsked() == asked
	})
	p.registry.stop()
	_, err := r.submit(config("g", "team", services("a")))
	wantFault(t, err, fault.WrongState, "CONFIG_SHRINK")
}

// A template that came out empty does not wipe a source, however small a part of the group that is.
func TestASourceIsGuardedOnItsOwn(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	r.mustSubmit(config("g", "big", services("a", "b", "c", "d", "e", "f", "h", "i", "j", "k", "l", "m")))
	r.mustSubmit(config("g", "middle", services("n", "o", "p")))
	r.mustSubmit(config("g", "tiny", services("q")))
	for source, text := range map[string]string{"middle": nothing, "tiny": nothing} {
		_, err := r.submit(config("g", source, text))
		e := wantFault(t, err, fault.WrongState, "CONFIG_SHRINK")
		if e.Metadata["source"] != source || !strings.Contains(e.Message, "--allow-shrink") || !strings.Contains(e.Message, "service ") {
			t.Errorf("emptying %s: %v %v", source, e.Message, e.Metadata)
		}
	}
	_, err := r.submit(config("g", "middle", services("n")))
	wantFault(t, err, fault.WrongState, "CONFIG_SHRINK")
	// one of two is no alarm
	r.mustSubmit(config("g", "tiny", "_format_version: \"3.0\"\nservices:\n- {name: q, url: \"http://q.internal\"}\n"))
	q := config("g", "middle", nothing)
	q.ValidateOnly = true
	dry := r.mustSubmit(q)
	diff, err := r.DiffConfig(t.Context(), &translatorv1.DiffConfigRequest{Group: "g", Source: "middle",
		Documents: document("middle.yaml", nothing)})
	if err != nil {
		t.Fatal(err)
	}
	valid, err := r.ValidateConfig(t.Context(), &translatorv1.ValidateConfigRequest{Group: "g", Source: "middle",
		Documents: document("middle.yaml", nothing)})
	if err != nil {
		t.Fatal(err)
	}
	for what, warnings := range map[string][]string{"a dry run": messages(dry.GetWarnings()), "a diff": messages(diff.GetWarnings()),
		"a validation": messages(valid.GetWarnings())} {
		if !strings.Contains(strings.Join(warnings, "\n"), "source \"middle\" with 0 of its 6 entities") {
			t.Errorf("%s warns of %q", what, warnings)
		}
	}
	if _, err := r.DeleteSource(t.Context(), &translatorv1.DeleteSourceRequest{Group: "g", Source: "middle"}); err != nil {
		t.Errorf("a deletion says what it means: %v", err)
	}
	if got := r.mustSubmit(meant(config("g", "tiny", nothing))); got.GetChanges().GetRemoved() != 1 {
		t.Errorf("what is meant gave %v", got)
	}
}
