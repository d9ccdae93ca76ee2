package run_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

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

func TestFarewellsShareOneTimeAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		farewell, done := run.ShutdownContext(ctx)
		defer done()
		<-time.After(time.Hour)
		if farewell.Err() != nil {
			t.Fatal("the farewell is over before what it follows")
		}
		cancel()
		began := time.Now()
		<-farewell.Done()
		if took := time.Since(began); took != run.ShutdownTimeout || !errors.Is(context.Cause(farewell), run.ErrShutdownTimeout) {
			t.Errorf("the farewell ended after %s with %v", took, context.Cause(farewell))
		}
	})
}

func TestAFarewellThatWasSaidEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		farewell, done := run.ShutdownContext(ctx)
		cancel()
		done()
		if !errors.Is(farewell.Err(), context.Canceled) || errors.Is(context.Cause(farewell), run.ErrShutdownTimeout) {
			t.Errorf("it ended with %v", context.Cause(farewell))
		}
	})
}
