package store

import (
	"log/slog"
	"testing"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// A tally that cannot be read must not be forgotten, nor what its replica said before go on counting: the wave waits.
func TestTallyThatCannotBeReadIsOfNoDecision(t *testing.T) {
	etcd := etcdtest.Client(t)
	tallies := NewTallies(etcd, "r")
	if err := tallies.grant(t.Context()); err != nil {
		t.Fatal(err)
	}
	good := rollout.Tally{Decision: 7, Connected: 2, Serving: 2, Nodes: rollout.Nodes{Serving: rollout.Positions{1, 1 << 60}}}
	if err := tallies.Put(t.Context(), "g", "00000001", good); err != nil {
		t.Fatal(err)
	}
	v := NewView(slog.New(slog.DiscardHandler))
	p := part{v, tallyPrefix}
	held := func() []rollout.Tally {
		all, at, err := etcdkv.List(t.Context(), etcd, tallyPrefix)
		if err != nil {
			t.Fatal(err)
		}
		p.Changed(all, nil, at)
		return v.Group("g").Tallies("00000001")
	}
	if got := held(); len(got) != 1 || !got[0].Equal(good) {
		t.Fatalf("the ledger holds %+v", got)
	}
	for _, text := range []string{
		"{", `{"v":99,"value":{"decision":7}}`,
		`{"v":1,"value":{"decision":7,"connected":1,"serving":1,"nodes":{"serving":"!"}}}`,
		`{"v":1,"value":{"decision":7,"connected":1,"serving":1,"nodes":{"serving":[1]}}}`,
	} {
		if _, err := etcd.Put(t.Context(), tallyKey("g", "00000001", "r"), text); err != nil {
			t.Fatal(err)
		}
		if got := held(); len(got) != 1 || !got[0].Equal(rollout.Tally{}) {
			t.Errorf("%s gave %+v", text, got)
		}
	}
}
