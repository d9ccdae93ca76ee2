package store

import (
	"log/slog"
	"testing"

	"github.com/silverback-gateway/silverback/services/translator/internal/desired"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// An etcd that was restored from a backup knows no lease that is younger.
func TestRequestLeaseThatEtcdDoesNotKnowIsReplaced(t *testing.T) {
	etcd := etcdtest.Client(t)
	l := NewLedger(etcd, slog.New(slog.DiscardHandler))
	lease, err := l.requests.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := etcd.Revoke(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	c := desired.Commit{Group: "g", RequestID: "r"}
	won, err := l.Commit(t.Context(), c)
	if err != nil || won {
		t.Fatalf("with a lease that is gone: won %v, %v", won, err)
	}
	if won, err = l.Commit(t.Context(), c); err != nil || !won {
		t.Errorf("the second time: won %v, %v", won, err)
	}
}
