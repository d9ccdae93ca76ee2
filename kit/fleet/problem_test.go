package fleet_test

import (
	"encoding/json"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// The record is of the version before problems had an other party.
func TestAStoredProblemIsRead(t *testing.T) {
	const record = `{"source":"team-a","document":"a.yaml","line":14,"column":3,"kind":"route","name":"orders","id":"1","field":"paths[0]",` +
		`"class":16,"message":"should start with: /"}`
	var p fleet.Problem
	if err := json.Unmarshal([]byte(record), &p); err != nil {
		t.Fatal(err)
	}
	if p.Class.String() != "refused-by-gateway" || p.String() != `a.yaml:14: route "orders": paths[0]: should start with: /` {
		t.Errorf("got class %q of %s", p.Class, p)
	}
	if again, err := json.Marshal(p); err != nil || string(again) != record {
		t.Errorf("got %s, %v", again, err)
	}
}
