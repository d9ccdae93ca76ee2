package status_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/internal/conformance"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/status"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// recorded is a case of the Gateway API's conformance suite with the conditions and reasons that it looks at.
type recorded struct {
	Name, Base string
	Inputs     []string
	Features   []string
	Tests      []struct {
		Facts []string `json:"status_facts"`
	}
}

// elsewhere are facts that no plan can have, with why.
var elsewhere = map[string]string{
	"tlsroute-listener-terminate-not-supported UnsupportedValue": "TLSRouteModeTerminate is declared; then the suite leaves it out",
}

// TestRecordedConditions plans statuses for the recorded manifests of the suite, and asks for every condition and every reason that the
// suite looks at there.
func TestRecordedConditions(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "..", "shared", "corpus", "gateway-api")
	text, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	if err != nil {
		t.Skipf("no recordings: %v", err)
	}
	var list struct{ Cases []recorded }
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, c := range list.Cases {
		files := []string{filepath.Join(dir, c.Base)}
		for _, input := range c.Inputs {
			files = append(files, filepath.Join(dir, input))
		}
		set := conformance.Set(t, files...)
		work := planned(set)
		said := conditionsOf(work.Updates)
		if strings.HasSuffix(c.Name, "-reference-grant") { // the suite deletes the grant and looks again
			bare := set.Without(func(obj object.Object) bool { return object.RefOf(obj).Kind == "ReferenceGrant" })
			said = append(said, conditionsOf(planned(bare).Updates)...)
		}
		if c.declared() {
			asked += c.accepted(t, work.Updates)
		}
		for _, test := range c.Tests {
			for _, fact := range test.Facts {
				want, ok := wordOf(fact)
				if !ok {
					continue
				}
				if why, skip := elsewhere[c.Name+" "+want]; skip {
					t.Logf("%s %s: %s", c.Name, want, why)
					continue
				}
				asked++
				if !slices.ContainsFunc(said, func(c meta.Condition) bool { return c.Type == want || c.Reason == want }) {
					t.Errorf("%s: no condition says %s:\n%s", c.Name, want, show(said))
				}
			}
		}
	}
	t.Logf("%d conditions and reasons of %d cases", asked, len(list.Cases))
}

// declared says whether a GatewayClass of ours declares all features of a case.
func (c recorded) declared() bool {
	for _, wanted := range c.Features {
		if !slices.ContainsFunc(status.Features(true), func(f gateway.SupportedFeature) bool { return string(f.Name) == wanted }) {
			return false
		}
	}
	return true
}

// accepted asks that all routes of a case are accepted, with references that are resolved, and programmed, where the suite looks at
// nothing else; and says how many there are.
func (c recorded) accepted(t *testing.T, updates []status.Update) int {
	t.Helper()
	for _, test := range c.Tests {
		if !slices.ContainsFunc(test.Facts, func(fact string) bool { return strings.HasSuffix(fact, "MustBeAccepted") }) ||
			slices.ContainsFunc(test.Facts, func(fact string) bool { return strings.Contains(fact, "=") }) {
			return 0
		}
	}
	asked := 0
	for _, u := range updates {
		for _, parent := range u.Status.Parents {
			asked++
			for _, condition := range parent.Conditions {
				if condition.Status != meta.ConditionTrue {
					t.Errorf("%s: %s: %s is %s: %s %s", c.Name, object.RefOf(u.Object), condition.Type, condition.Status, condition.Reason,
						condition.Message)
				}
			}
		}
	}
	return asked
}

// wordOf is the type or the reason that a fact names: the suite names the constants of the API, whose values end their names.
func wordOf(fact string) (string, bool) {
	_, name, ok := strings.Cut(fact, "=")
	if !ok || name == "resolveRefsReason" {
		return "", false
	}
	for _, mark := range []string{"Reason", "Condition"} {
		if at := strings.Index(name, mark); at >= 0 {
			return name[at+len(mark):], true
		}
	}
	return "", false
}

// planned is a plan for a set whose translation is proven on three gateways.
func planned(set *object.Set) status.Work {
	options := translate.Options{GatewayController: conformance.Controller, Attach: true, Expressions: true}
	return status.Plan(set, proven(set, options), status.Options{Translate: options, Addresses: []string{"192.0.2.1"}, Now: time.Unix(1e9, 0)})
}

// proven is what a controller sees when everything that could be translated is proven.
func proven(set *object.Set, options translate.Options) delivery.View {
	result := translate.Translate(set, options)
	view := delivery.View{Objects: map[object.Ref]delivery.State{}, Problems: result.Problems,
		Source: delivery.State{Phase: delivery.Programmed, Revision: 7, Serving: 3, Online: 3}}
	for _, obj := range set.All() {
		view.Objects[object.RefOf(obj)] = delivery.State{Phase: delivery.Untranslated}
	}
	for _, origin := range result.Origins {
		for _, ref := range origin.Objects {
			view.Objects[ref] = delivery.State{Phase: delivery.Programmed, Revision: 7, Serving: 3, Online: 3}
		}
	}
	for _, problem := range result.Problems {
		for _, ref := range problem.Objects {
			if state := view.Objects[ref]; state.Phase == delivery.Untranslated {
				state.Reason = problem.Message
				view.Objects[ref] = state
			}
		}
	}
	return view
}

func conditionsOf(updates []status.Update) []meta.Condition {
	var all []meta.Condition
	for _, u := range updates {
		all = append(all, u.Status.Conditions...)
		for _, l := range u.Status.Listeners {
			all = append(all, l.Conditions...)
		}
		for _, parent := range u.Status.Parents {
			all = append(all, parent.Conditions...)
		}
		for _, ancestor := range u.Status.Ancestors {
			all = append(all, ancestor.Conditions...)
		}
	}
	return all
}

func show(conditions []meta.Condition) string {
	var lines strings.Builder
	for _, c := range conditions {
		fmt.Fprintf(&lines, "  %s %s %s: %s\n", c.Type, c.Status, c.Reason, c.Message)
	}
	return lines.String()
}
