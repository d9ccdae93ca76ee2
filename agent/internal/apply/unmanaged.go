package apply

import (
	"context"
	"slices"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/status"
	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/inventory"
)

// readAgain is how long to wait before what could not be read is read again.
const readAgain = 30 * time.Second

// namedLosses is how many of the entities that a gateway would lose a message names.
const namedLosses = 5

// Served is what a gateway serves that no snapshot brought.
type Served struct {
	Hash      fleet.GatewayHash
	Inventory inventory.Inventory // of what can be read
	Unread    string              // why it cannot be read; empty when it can
	At        time.Time           // when it could not
}

// Name names what is served; equal for gateways that serve the same.
func (s Served) Name() string {
	if s.Unread != "" {
		return "md5:" + string(s.Hash)
	}
	return string(s.Inventory.Digest())
}

// foreign reports whether a hash is that of a configuration that somebody else gave the gateway before it was ever given one of ours. Once
// it was, other configurations are drift.
func (s State) foreign(found fleet.GatewayHash) bool {
	if s.Good.Digest != "" || found == "" || found == fleet.NoGatewayHash || s.Pending.Hash == found {
		return false
	}
	if _, ours := s.snapshotOf(found); ours {
		return false
	}
	return !slices.ContainsFunc(s.Left, func(l Expectation) bool { return l.Hash == found })
}

// unmanaged reports whether the gateway is left alone.
func (s State) unmanaged() bool { return s.Served.Hash != "" && !s.Served.Inventory.Managed }

// observedForeign handles a look that found what is not ours: until it is known what it is, it is left alone.
func (s State) observedForeign(at Moment, found fleet.GatewayHash, actions []Action) (State, []Action) {
	if s.Served.Hash == found && (s.Served.Unread == "" || at.Now.Before(s.Served.At.Add(readAgain))) {
		return s, actions
	}
	if s.Served.Hash != found {
		s.Served = Served{Hash: found, Unread: "it was not read yet", At: at.Now}
	}
	return s, append(actions, ReadConfiguration{found})
}

// configurationRead takes what was read. What was wanted, and not loaded for the sake of something else, is tried again.
func (s State) configurationRead(at Moment, served Served) (State, []Action) {
	if served.Hash != s.Served.Hash {
		return s, nil // the gateway has moved on
	}
	served.At = at.Now
	s.Served = served
	if s.Wanted.Digest == "" || s.Kept == "" && !served.Inventory.Managed {
		return s, nil
	}
	s.Kept = ""
	return s, []Action{Load{Snapshot: s.Wanted}}
}

// shown is what the board says of an unmanaged gateway; nil when it is none.
func (s State) shown() *status.Unmanaged {
	if !s.unmanaged() {
		return nil
	}
	u := &status.Unmanaged{Served: s.Served.Name(), Entities: int64(len(s.Served.Inventory.Entries)), Reason: s.Kept}
	if s.Kept == "" && s.Served.Unread != "" {
		u.Reason = "what the gateway serves cannot be told: " + s.Served.Unread
	}
	return u
}

// Inventory is of what an unmanaged gateway serves; false when the gateway is managed, or it is not known.
func (a *Applier) Inventory() (inventory.Inventory, bool) {
	if s := a.served.Load(); s != nil {
		return s.Inventory, true
	}
	return inventory.Inventory{}, false
}

// readConfiguration reads what the gateway serves.
func (a *Applier) readConfiguration(ctx context.Context, hash fleet.GatewayHash) Served {
	text, err := a.Gateway.Configuration(ctx)
	if err != nil {
		return Served{Hash: hash, Unread: err.Error()}
	}
	i, err := inventory.OfGateway(text)
	if err != nil {
		return Served{Hash: hash, Unread: err.Error()}
	}
	s := Served{Hash: hash, Inventory: i}
	if !i.Managed {
		a.Log.Warn("the gateway serves something that no snapshot brought; it is left alone", "served", i.String(), "hash", string(hash))
	}
	return s
}

// permitted says why a snapshot may not be loaded: the gateway was never given anything of ours, and nobody said that the
// snapshot may come in place of what it serves. It looks at the gateway now, for it may have been started since it was looked at last.
func (a *Applier) permitted(ctx context.Context, canonical []byte) error {
	if a.state.Good.Digest != "" {
		return nil
	}
	seen, err := a.Gateway.Observe(ctx)
	if err != nil {
		return &verdict.Failure{Reason: verdict.Unreachable, Message: "the gateway does not say what it runs: " + err.Error()}
	}
	if !a.state.foreign(seen.Hash) {
		return nil
	}
	served := a.state.Served
	if served.Hash != seen.Hash || served.Unread != "" {
		served = a.readConfiguration(ctx, seen.Hash)
		a.state.Served = served
	}
	return mayReplace(served, canonical, a.state.Replaces)
}

// mayReplace is nil when a snapshot may take the place of what a gateway serves: that the names are the same is not enough, for what stands
// behind them may differ.
func mayReplace(served Served, canonical []byte, replaces []string) error {
	if served.Inventory.Managed || slices.Contains(replaces, served.Name()) || slices.Contains(replaces, "md5:"+string(served.Hash)) {
		return nil
	}
	if served.Unread != "" {
		return &verdict.Failure{Reason: verdict.Unmanaged, Message: "the gateway serves something that no snapshot brought, and what it is " +
			"cannot be told: " + served.Unread}
	}
	wanted, err := inventory.OfSnapshot(canonical)
	if err != nil {
		return &verdict.Failure{Reason: verdict.BadDelta, Message: "the snapshot cannot be compared with what the gateway serves"}
	}
	what := "would get other content under the same names"
	if lost := served.Inventory.Missing(wanted); len(lost) > 0 {
		what = "would lose " + inventory.Describe(lost, namedLosses)
	}
	return &verdict.Failure{Reason: verdict.Unmanaged, Message: "the gateway serves what no snapshot brought, and " + what +
		"; the revision was not meant for it"}
}
