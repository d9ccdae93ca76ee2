package run_test

import (
	"context"
	"errors"
	"testing"

	"github.com/silverback-gateway/silverback/kit/run"
)

func TestAllEndsTogetherWithTheFirstError(t *testing.T) {
	broken := errors.New("broken")
	ended := false
	err := run.All(t.Context(),
		func(context.Context) error { return broken },
		func(ctx context.Context) error {
			<-ctx.Done()
			ended = true
			return context.Cause(ctx)
		})
	if !errors.Is(err, broken) || !ended {
		t.Errorf("All returned %v, the other loop ended: %v", err, ended)
	}
}

func TestAllEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	asked := errors.New("asked")
	cancel(asked)
	wait := func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
	if err := run.All(ctx, wait, wait); !errors.Is(err, asked) {
		t.Errorf("All returned %v", err)
	}
}
