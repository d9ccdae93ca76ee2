package kongtest

import (
	"errors"
	"testing"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/admin"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/declarative"
)

// TestAGoneProcessLoadsNothing: what a killed gateway had half done must not
// come into force in the one that was started after it.
func TestAGoneProcessLoadsNothing(t *testing.T) {
	g := Start(t)
	gone := g.run()
	g.Kill()
	if err := g.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := g.parse(admin.Posted{Text: []byte(`{"_format_version":"3.0","services":[{"name":"s","host":"h"}]}`)}, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.install(l, nil, gone); !errors.Is(err, admin.ErrNotRunning) || g.Hash() != declarative.EmptyHash {
		t.Errorf("got %v, hash %s", err, g.Hash())
	}
}
