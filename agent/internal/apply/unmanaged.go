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

// readAgain is the interval of attempts to read a configuration that could not be read.
const readAgain = 30 * time.Second

// namedLosses is how many of the entities that a gateway would lose a message names.
const namedLosses = 5

// Name identifies the configuration. It is equal for gateways that serve the same.
func (u Unmanaged) Name() string {
	if u.Unread != "" {
		return "md5:" + string(u.Hash)
	}
	return string(u.Inventory.Digest())
}

// foreign reports whether a hash is that of a configuration that the gateway had before it was ever given one of ours. After
// that, other configurations are drift.
func (s State) foreign(found fleet.GatewayHash) bool {
	if s.Good.Digest != "" || found == "" || found == fleet.NoGatewayHash || s.Pending.Hash == found {
		return false
	}
	if _, ours := s.snapshotOf(found); ours {
		return false
	}
	return !slices.ContainsFunc(s.Drift.Expected, func(e Expectation) bool { return e.Hash == found })
}

// unmanaged reports whether the agent leaves the gateway's configuration alone.
func (s State) unmanaged() bool { return s.Unmanaged.Hash != "" && !s.Unmanaged.Inventory.Managed }

// observedForeign reads a configuration that is not ours. The gateway keeps it meanwhile.
func (s State) observedForeign(at Moment, found fleet.GatewayHash, actions []Action) (State, []Action) {
	if s.Unmanaged.Hash == found && (s.Unmanaged.Unread == "" || at.Now.Before(s.Unmanaged.At.Add(readAgain))) {
		return s, actions
	}
	if s.Unmanaged.Hash != found {
		s.Unmanaged = Unmanaged{Hash: found, Unread: "it was not read yet", At: at.Now}
	}
	return s, append(actions, ReadConfiguration{found})
}

// configurationRead tries again to load a snapshot that was held back for the sake of another configuration.
func (s State) configurationRead(at Moment, read Unmanaged) (State, []Action) {
	if s.Wanted.Stage != Idle {
		s.Unmanaged = read // the load that read it goes on
		return s, nil
	}
	if read.Hash != s.Unmanaged.Hash {
		return s, nil // the gateway's configuration has changed since
	}
	read.At = at.Now
	s.Unmanaged = read
	if s.Wanted.Snapshot.Digest == "" || s.Wanted.HeldBack == "" && !read.Inventory.Managed {
		return s, nil
	}
	s, load := s.load(s.Wanted.Snapshot, time.Time{})
	return s, []Action{load}
}

// unmanagedStatus is what the status says of an unmanaged gateway; nil for a managed one.
func (s State) unmanagedStatus() *status.Unmanaged {
	if !s.unmanaged() {
		return nil
	}
	u := &status.Unmanaged{Served: s.Unmanaged.Name(), Entities: int64(len(s.Unmanaged.Inventory.Entries)), Reason: s.Wanted.HeldBack}
	if u.Reason == "" && s.Unmanaged.Unread != "" {
		u.Reason = "the gateway's configuration cannot be read: " + s.Unmanaged.Unread
	}
	return u
}

// Inventory lists what an unmanaged gateway serves. It returns false when the gateway is managed, or when that is not known.
func (a *Applier) Inventory() (inventory.Inventory, bool) {
	if u := a.unmanaged.Load(); u != nil {
		return u.Inventory, true
	}
	return inventory.Inventory{}, false
}

// Configuration reads from the gateway what it serves, secrets included.
func (a *Applier) Configuration(ctx context.Context) ([]byte, error) {
	return a.Gateway.Configuration(ctx)
}

func (a *Applier) readConfiguration(ctx context.Context, hash fleet.GatewayHash) Unmanaged {
	text, err := a.Gateway.Configuration(ctx)
	if err != nil {
		return Unmanaged{Hash: hash, Unread: err.Error()}
	}
	i, err := inventory.OfGateway(text)
	if err != nil {
		return Unmanaged{Hash: hash, Unread: err.Error()}
	}
	if !i.Managed {
		a.Log.Warn("gateway is unmanaged: no snapshot brought its configuration", "entities", i.String(), "hash", string(hash))
	}
	return Unmanaged{Hash: hash, Inventory: i}
}

// permitted returns why a snapshot may not be loaded: the gateway has a configuration that is not ours, and the directive may not
// replace it. It observes the gateway, which may have restarted since the last observation.
func (a *Applier) permitted(ctx context.Context, canonical []byte) error {
	if a.state.Good.Digest != "" {
		return nil
	}
	now, err := a.Gateway.Observe(ctx)
	if err != nil {
		return &verdict.Failure{Reason: verdict.Unreachable, Message: "the gateway's status cannot be read: " + err.Error()}
	}
	if !a.state.foreign(now.Hash) {
		return nil
	}
	if u := a.state.Unmanaged; u.Hash != now.Hash || u.Unread != "" {
		a.decide(ConfigurationRead{a.readConfiguration(ctx, now.Hash)})
	}
	return mayReplace(a.state.Unmanaged, canonical, a.state.Wanted.Replaces)
}

// mayReplace returns nil when a snapshot may replace a configuration. Equal names of entities are not enough, because their content may
// differ.
func mayReplace(u Unmanaged, canonical []byte, replaces []string) error {
	if u.Inventory.Managed || slices.Contains(replaces, u.Name()) || slices.Contains(replaces, "md5:"+string(u.Hash)) {
		return nil
	}
	const unmanaged = "the gateway is unmanaged: it serves a configuration that no snapshot brought"
	if u.Unread != "" {
		return &verdict.Failure{Reason: verdict.Unmanaged, Message: unmanaged + " and that cannot be read: " + u.Unread}
	}
	wanted, err := inventory.OfSnapshot(canonical)
	if err != nil {
		return &verdict.Failure{Reason: verdict.BadDelta, Message: "the snapshot cannot be compared with the gateway's configuration"}
	}
	what := "would get other content under the same names"
	if lost := u.Inventory.Missing(wanted); len(lost) > 0 {
		what = "would lose " + inventory.Describe(lost, namedLosses)
	}
	return &verdict.Failure{Reason: verdict.Unmanaged, Message: unmanaged + ", and " + what + "; the revision is not meant to replace it"}
}
