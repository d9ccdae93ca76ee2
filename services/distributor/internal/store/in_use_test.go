package store

import (
	"slices"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

func TestWhatIsInUse(t *testing.T) {
	etcd := etcdtest.Client(t)
	digest := func(n fleet.Revision) fleet.Digest { return fleet.DigestOf([]byte{byte(n)}) }
	target := func(n fleet.Revision) rollout.Target { return rollout.Target{Revision: n, Digest: digest(n)} }
	put := func(key string, value any) {
		t.Helper()
		text, err := encode(value)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := etcd.Put(t.Context(), key, text); err != nil {
			t.Fatal(err)
		}
	}
	held := []rollout.Hold{{Target: target(7)}, {Target: target(8)}}
	put(assignmentKey("g"), rollout.Assignment{Stable: target(5), Candidate: target(9), Held: held})
	put(rolloutKey("g", "00000001"), rollout.Rollout{Stable: target(3), Candidate: target(4), Fallback: []fleet.Revision{2}})
	put(rolloutKey("g", "00000002"), rollout.Rollout{Candidate: target(9), Stable: target(5), Pinning: &rollout.Pinning{Revision: 11}})
	put(assignmentKey("new"), rollout.Assignment{Candidate: target(1)})
	put(rolloutKey("other", "00000001"), rollout.Rollout{Candidate: target(1)}) // without an assignment
	all, at, unread, err := ReadInUse(t.Context(), etcd)
	if err != nil || len(unread) > 0 || len(all) != 2 || all[0].Group != "g" || all[1].Group != "new" {
		t.Fatalf("%v, unread %v, %v", all, unread, err)
	}
	if want := []fleet.Revision{2, 3, 4, 5, 7, 8, 9, 11}; !slices.Equal(all[0].Revisions, want) {
		t.Errorf("revisions %v, want %v", all[0].Revisions, want)
	}
	for _, n := range []fleet.Revision{3, 4, 5, 7, 8, 9} {
		if !slices.Contains(all[0].Digests, digest(n)) {
			t.Errorf("the digest of revision %d is not named", n)
		}
	}
	if !slices.Equal(all[1].Revisions, []fleet.Revision{1}) || len(all[1].Digests) != 1 {
		t.Errorf("the new group names %+v", all[1])
	}
	answer, err := etcd.Put(t.Context(), rolloutKey("g", "00000003"), `{"v":9,"value":{}}`)
	if err != nil {
		t.Fatal(err)
	}
	all, later, unread, err := ReadInUse(t.Context(), etcd)
	if err != nil || len(all) != 1 || !slices.Equal(unread, []fleet.GroupID{"g"}) {
		t.Errorf("with a record of a later version: %v, unread %v, %v", all, unread, err)
	}
	if later != answer.Header.Revision || at >= later {
		t.Errorf("read at %d and %d; the last write was at %d", at, later, answer.Header.Revision)
	}
}
