package message_test

import (
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/wire"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/distributor/internal/message"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
	"github.com/silverback-gateway/silverback/testkit/groupfields"
)

func TestARolloutShowsEveryFieldOfItsPolicy(t *testing.T) {
	for _, c := range groupfields.Cases("g") {
		if !strings.HasPrefix(c.Field, "policy.") {
			continue
		}
		m := message.Rollout(rollout.Rollout{Policy: rollout.Policy(wire.Policy(c.Group.GetPolicy()))}, rollout.Progress{}, nil, "")
		got := groupfields.Value(&registryv1.Group{Policy: m.GetPolicy()}, c.Field)
		if want := groupfields.Value(c.Group, c.Field); got != want {
			t.Errorf("%s: got %q, want %q", c.Field, got, want)
		}
	}
}
