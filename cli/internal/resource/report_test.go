package resource

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

func TestStatusIsOneDocument(t *testing.T) {
	var b bytes.Buffer
	a := &app.App{Out: &b, Flags: app.Flags{Output: show.JSON}}
	err := printStatus(a, []groupStatus{
		{
			group: &registryv1.Group{Name: "default"}, revision: &translatorv1.Revision{Number: 4, Digest: "d"},
			nodes: []*registryv1.Node{
				{State: registryv1.Node_STATE_READY, Status: &fleetv1.NodeStatus{Digest: "d"}},
				{State: registryv1.Node_STATE_DEGRADED},
				{State: registryv1.Node_STATE_UNREACHABLE},
			},
		},
		{group: &registryv1.Group{Name: "edge"}},
		{group: &registryv1.Group{Name: "dark"}, revision: &translatorv1.Revision{Number: 1},
			nodes: []*registryv1.Node{{State: registryv1.Node_STATE_UNREACHABLE}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Groups []struct {
			Group    struct{ Name string }
			InSync   bool `json:"in_sync"`
			Known    int
			Online   int
			Serving  int
			Revision *struct{ Number int64 }
			Rollout  *struct{}
		}
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	if len(got.Groups) != 3 {
		t.Fatalf("%d groups in\n%s", len(got.Groups), b.String())
	}
	first, second, third := got.Groups[0], got.Groups[1], got.Groups[2]
	if first.Group.Name != "default" || first.InSync || first.Known != 3 || first.Online != 2 || first.Serving != 1 ||
		first.Revision.Number != 4 {
		t.Errorf("%+v", first)
	}
	if second.Group.Name != "edge" || !second.InSync || second.Revision != nil || second.Rollout != nil {
		t.Errorf("%+v", second)
	}
	if third.InSync || third.Known != 1 || third.Online != 0 {
		t.Errorf("a group without a gateway online: %+v", third)
	}
}

// A node that is well may still be one that somebody should look at: another agent asks for its name.
func TestStatusNamesANodeWithAConditionWhateverItsState(t *testing.T) {
	var b bytes.Buffer
	a := &app.App{Out: &b, Now: time.Now}
	well := &registryv1.Node{Name: "gw-1", State: registryv1.Node_STATE_READY, Status: &fleetv1.NodeStatus{Digest: "d"}}
	twice := &registryv1.Node{Name: "gw-2", State: registryv1.Node_STATE_READY, Status: &fleetv1.NodeStatus{
		Digest: "d", Conditions: []*fleetv1.Condition{{Type: "DuplicateAgent", Message: "it calls from 10.0.0.9"}},
	}}
	if err := (groupStatus{nodes: []*registryv1.Node{well, twice}}).printTroubled(a); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); !strings.Contains(got, "gw-2") || !strings.Contains(got, "DuplicateAgent: it calls from 10.0.0.9") ||
		strings.Contains(got, "gw-1") {
		t.Errorf("printed %q", got)
	}
}

// A node in quarantine gets nothing new, however well it is: nobody should forget it.
func TestStatusNamesANodeInQuarantine(t *testing.T) {
	var b bytes.Buffer
	a := &app.App{Out: &b, Now: time.Now}
	held := &registryv1.Node{Name: "gw-2", State: registryv1.Node_STATE_READY,
		Quarantine: &registryv1.Quarantine{Reason: "its disk\x1b is being replaced"}}
	if err := (groupStatus{nodes: []*registryv1.Node{{Name: "gw-1", State: registryv1.Node_STATE_READY}, held}}).printTroubled(a); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); !strings.Contains(got, "(quarantine)") || !strings.Contains(got, "being replaced") ||
		strings.ContainsAny(got, "\x1b") || strings.Contains(got, "gw-1") {
		t.Errorf("printed %q", got)
	}
}

// While nothing can be written, that is the first thing to know.
func TestStatusSaysFirstThatTheLedgerIsFull(t *testing.T) {
	var b bytes.Buffer
	a := &app.App{Out: &b, Now: time.Now, Flags: app.Flags{Output: show.Table}}
	if err := printStatus(a, []groupStatus{{group: &registryv1.Group{Name: "edge"}}},
		&distributorv1.Ledger{Problem: "LEDGER_FULL: etcd has no space left"}); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); !strings.HasPrefix(got, "Nothing can be submitted or decided: LEDGER_FULL: etcd has no space left") {
		t.Errorf("printed %q", got)
	}
}

func TestStatusSaysHowFullEtcdIs(t *testing.T) {
	member := func(endpoint string, size, quota int64) *distributorv1.Ledger_Member {
		return &distributorv1.Ledger_Member{Endpoint: endpoint, SizeBytes: size << 20, SizeInUseBytes: size << 19, QuotaBytes: quota << 20}
	}
	for _, tt := range []struct {
		name    string
		members []*distributorv1.Ledger_Member
		want    string
	}{
		{name: "none"},
		{name: "room", members: []*distributorv1.Ledger_Member{member("a", 599, 1000)}},
		{name: "no quota is known", members: []*distributorv1.Ledger_Member{member("a", 9000, 0)}},
		{name: "crowded", members: []*distributorv1.Ledger_Member{member("a", 600, 1000)},
			want: "etcd at a is 60% full: 600 MiB of 1000 MiB, 300 MiB in use"},
		{name: "the fullest", members: []*distributorv1.Ledger_Member{member("a", 700, 1000), member("b", 900, 1000), member("c", 800, 1000)},
			want: "etcd at b is 90% full"},
	} {
		var b bytes.Buffer
		a := &app.App{Out: &b, Now: time.Now, Flags: app.Flags{Output: show.Table}}
		err := printStatus(a, []groupStatus{{group: &registryv1.Group{Name: "edge"}}}, &distributorv1.Ledger{Members: tt.members})
		if err != nil {
			t.Fatal(err)
		}
		if got := b.String(); tt.want == "" && strings.Contains(got, "etcd") || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: printed %q", tt.name, got)
		}
	}
}
