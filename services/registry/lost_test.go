package registry_test

import (
	"context"
	"errors"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/fault"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// A node whose record was deleted by hand, with its session or without, is told to enrol again by its next renewals, and is back then.
func TestANodeThatWasDeletedByHandComesBack(t *testing.T) {
	for name, lost := range map[string][]string{
		"the record":             {"nodes"},
		"the session":            {"sessions"},
		"the record and session": {"nodes", "sessions"},
	} {
		t.Run(name, func(t *testing.T) {
			etcd := etcdtest.Client(t)
			one := start(t, etcd, registry.Config{})
			one.group(t, "g")
			if err := one.enrol("n", "b", serving()); err != nil {
				t.Fatal(err)
			}
			one.awaitState(t, "n", registryv1.Node_STATE_READY)
			for _, kind := range lost {
				if _, err := etcd.Delete(t.Context(), "identity/"+kind+"/", clientv3.WithPrefix()); err != nil {
					t.Fatal(err)
				}
			}
			there := func() bool {
				count := int64(0)
				for _, kind := range []string{"groups", "nodes", "sessions"} {
					answer, err := etcd.Get(context.Background(), "identity/"+kind+"/", clientv3.WithPrefix(), clientv3.WithCountOnly())
					if err != nil {
						return false
					}
					count += answer.Count
				}
				return count == 3
			}
			eventually(t, "the node is back by what an agent does", func() bool {
				_, err := one.renew("n", "b", nil)
				if errors.Is(err, fault.Of(fault.Missing)) {
					err = one.enrol("n", "b", serving())
				}
				return err == nil && there() && one.node(t, "n").GetState() == registryv1.Node_STATE_READY
			})
		})
	}
}

// An etcd without space refuses what is to be written, at once and with the reason; renewals that change nothing go on.
func TestAFullLedgerIsTold(t *testing.T) {
	etcd := etcdtest.StartSmall(t, 4<<20).Client(t)
	one := start(t, etcd, registry.Config{})
	one.group(t, "g")
	if err := one.enrol("n", "b", serving()); err != nil {
		t.Fatal(err)
	}
	etcdtest.Fill(t, etcd)
	full := &fault.Error{Kind: fault.Busy, Reason: "LEDGER_FULL"}
	if err := one.enrol("other", "b", serving()); !errors.Is(err, full) {
		t.Errorf("an enrolment: %v", err)
	}
	if _, err := one.CreateGroup(t.Context(), &registryv1.CreateGroupRequest{Group: &registryv1.Group{Name: "h"}}); !errors.Is(
		fault.FromStatus(err), full) {
		t.Errorf("a group: %v", err)
	}
	if _, err := one.DrainNode(t.Context(), &registryv1.DrainNodeRequest{Group: "g", Node: "n", Reason: "why"}); !errors.Is(
		fault.FromStatus(err), full) {
		t.Errorf("a drain: %v", err)
	}
	if _, err := one.renew("n", "b", nil); err != nil {
		t.Errorf("a renewal: %v", err)
	}
	// A replica that starts now gets no lease, and who enrols with it need not wait to learn why.
	two := start(t, etcd, registry.Config{})
	if err := two.enrol("third", "b", serving()); !errors.Is(err, full) {
		t.Errorf("an enrolment without a lease: %v", err)
	}
	etcdtest.MakeRoom(t, etcd)
	eventually(t, "an enrolment is taken again", func() bool { return two.enrol("third", "b", serving()) == nil })
}
