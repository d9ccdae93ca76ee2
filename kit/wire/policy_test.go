package wire_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/wire"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/testkit/groupfields"
)

// The JSON form is what the distributor stores with a rollout.
func TestEveryFieldOfAPolicyIsConvertedAndStored(t *testing.T) {
	for _, c := range groupfields.Cases("g") {
		if !strings.HasPrefix(c.Field, "policy.") {
			continue
		}
		record, err := json.Marshal(wire.Policy(c.Group.GetPolicy()))
		if err != nil {
			t.Fatal(err)
		}
		var stored fleet.Policy
		if err := json.Unmarshal(record, &stored); err != nil {
			t.Fatal(err)
		}
		want := groupfields.Value(c.Group, c.Field)
		got := groupfields.Value(&registryv1.Group{Policy: wire.PolicyMessage(stored)}, c.Field)
		if want == "" || got != want {
			t.Errorf("%s: got %q, want %q, from the record %s", c.Field, got, want, record)
		}
	}
}

// A record of before this version has no probes, and durations in nanoseconds.
func TestARecordOfBeforeIsRead(t *testing.T) {
	var p fleet.Policy
	const record = `{"waves":[{"nodes":1,"soak":1000000000},{"percent":100}],"max_loading_percent":10,"on_reject":1,"deadline":60000000000}`
	if err := json.Unmarshal([]byte(record), &p); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(p)
	if err != nil || string(again) != record {
		t.Errorf("%s, %v", again, err)
	}
}
