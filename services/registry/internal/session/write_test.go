package session

import (
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/store"
)

// A replica that was stopped for a while believes that it must end a session; what stands in the ledger decides.
func TestEndLeavesASessionThatMovedAlone(t *testing.T) {
	mine := entry{session: roster.Session{BootID: "1", Replica: "here"}, ending: true}
	node := &roster.Node{BootID: "1"}
	for _, c := range []struct {
		name    string
		session *roster.Session
		want    bool
	}{
		{"its own session ends", &roster.Session{BootID: "1", Replica: "here"}, true},
		{"one that moved lives", &roster.Session{BootID: "1", Replica: "there"}, false},
		{"one of a newer boot lives", &roster.Session{BootID: "2", Replica: "here"}, false},
		{"none needs no end", nil, false},
	} {
		got := end(time.Now(), mine, store.Current{Node: node, Session: c.session})
		if got.DeleteSession != c.want || (got.Node != nil) != c.want {
			t.Errorf("%s: got %+v", c.name, got)
		}
	}
}
