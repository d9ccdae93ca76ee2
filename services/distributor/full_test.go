package distributor_test

import (
	"strings"
	"testing"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// Callers of GetLedger and a metric report that etcd takes no writes.
func TestAFullEtcdIsReportedToCallers(t *testing.T) {
	etcd := etcdtest.StartSmall(t, 4<<20)
	p := newControlPlaneAt(t, etcd.Client(t))
	r := p.replica("a")
	ask := func() string {
		answer, err := r.GetLedger(t.Context(), &distributorv1.GetLedgerRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return answer.GetLedger().GetProblem()
	}
	if said := ask(); said != "" {
		t.Fatalf("an etcd with space has the problem %q", said)
	}
	etcdtest.Fill(t, etcd.Client(t))
	eventually(t, "the problem is told", func() bool {
		return strings.HasPrefix(ask(), "LEDGER_FULL: ") && r.counter(t, "silverback_etcd_full") == 1
	})
	etcdtest.MakeRoom(t, etcd.Client(t))
	eventually(t, "it is over", func() bool { return ask() == "" && r.counter(t, "silverback_etcd_full") == 0 })
}
