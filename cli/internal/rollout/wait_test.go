package rollout

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/client"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

type state = distributorv1.Rollout_State

const (
	progressing = distributorv1.Rollout_STATE_PROGRESSING
	completed   = distributorv1.Rollout_STATE_COMPLETED
	halted      = distributorv1.Rollout_STATE_HALTED
	superseded  = distributorv1.Rollout_STATE_SUPERSEDED
)

func moving(candidate int64, s state) *distributorv1.Rollout {
	return &distributorv1.Rollout{
		Group: "edge", Id: "r", StableRevision: candidate - 1, CandidateRevision: candidate, State: s, Wave: 1, WaveCount: 2,
		Progress: &distributorv1.Progress{Online: 3, InWave: 1, Serving: 1},
	}
}

// watches plays one list of rollouts for each stream, then ends it as a replica that stops does.
type watches struct {
	distributorv1.UnimplementedRolloutServiceServer
	streams chan []*distributorv1.Rollout
}

func (w *watches) WatchRollouts(_ *distributorv1.WatchRolloutsRequest, s distributorv1.RolloutService_WatchRolloutsServer) error {
	select {
	case rollouts := <-w.streams:
		for _, r := range rollouts {
			if err := s.Send(&distributorv1.WatchRolloutsResponse{Event: &distributorv1.WatchRolloutsResponse_Rollout{Rollout: r}}); err != nil {
				return err
			}
		}
		return nil
	case <-s.Context().Done():
		return s.Context().Err()
	}
}

func waitFor(t *testing.T, revision int64, timeout time.Duration, streams ...[]*distributorv1.Rollout) (string, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	w := &watches{streams: make(chan []*distributorv1.Rollout, len(streams))}
	for _, s := range streams {
		w.streams <- s
	}
	distributorv1.RegisterRolloutServiceServer(server, w)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	var out bytes.Buffer
	a := &app.App{Err: &out, Out: &out, Now: time.Now}
	a.Flags.Distributor = []string{l.Addr().String()}
	t.Cleanup(a.Close)
	err = Wait(context.Background(), a, "", &translatorv1.Revision{Group: "edge", Number: revision}, timeout)
	return out.String(), err
}

func TestWaitEndsWhenTheFleetServes(t *testing.T) {
	out, err := waitFor(t, 7, time.Minute, []*distributorv1.Rollout{moving(6, completed), moving(7, progressing), moving(7, completed)})
	if err != nil || !strings.Contains(out, "revision 7 is served by every online gateway of edge") {
		t.Errorf("Wait printed %q and returned %v", out, err)
	}
	if strings.Contains(out, "revision 6") {
		t.Errorf("an older rollout was shown: %q", out)
	}
}

func TestWaitGoesToAnotherReplica(t *testing.T) {
	_, err := waitFor(t, 7, time.Minute, []*distributorv1.Rollout{moving(7, progressing)}, nil, []*distributorv1.Rollout{moving(7, completed)})
	if err != nil {
		t.Errorf("Wait returned %v", err)
	}
}

func TestWaitTellsWhoRefused(t *testing.T) {
	r := moving(7, halted)
	r.Reason = "1 gateway refused it"
	r.Refusals = []*distributorv1.Refusal{{Node: "gw-2", Problem: &fleetv1.Problem{
		Source: "team-a", Document: "a.yaml", Line: 14, Kind: "route", Name: "orders", Field: "paths[0]", Message: "invalid regex\x1b[31m",
	}}}
	out, err := waitFor(t, 7, time.Minute, []*distributorv1.Rollout{r})
	if app.Code(err) != app.ExitDifference || !strings.Contains(err.Error(), "the gateways serve revision 6") {
		t.Errorf("Wait returned %v with exit code %d", err, app.Code(err))
	}
	if want := "a.yaml:14 (source \"team-a\"): route \"orders\": paths[0]: invalid regex"; !strings.Contains(out, want) ||
		!strings.Contains(out, "gw-2") {
		t.Errorf("printed %q, want %q", out, want)
	}
	if strings.Contains(out, "\x1b") {
		t.Error("a gateway's text reached the terminal with its control characters")
	}
}

func TestWaitNamesWhoIsLeftOut(t *testing.T) {
	r := moving(7, completed)
	r.Progress = &distributorv1.Progress{Online: 5, InWave: 4, Serving: 4, LeftOut: 1}
	r.LeftOut = []*distributorv1.LeftOut{{Node: "gw-5", Reason: "LoadFailing\x1b[31m"}}
	out, err := waitFor(t, 7, time.Minute, []*distributorv1.Rollout{r})
	if err != nil {
		t.Errorf("Wait returned %v", err)
	}
	for _, want := range []string{"4/4 serving, 1 left out", "(4); 1 left out: gw-5 (LoadFailing"} {
		if !strings.Contains(out, want) {
			t.Errorf("printed %q, want %q", out, want)
		}
	}
	if strings.Contains(out, "\x1b") || strings.Contains(out, "every online gateway") {
		t.Errorf("printed %q", out)
	}
}

func TestWaitSaysWhatServesAfterAHalt(t *testing.T) {
	for _, tt := range []struct {
		fallback []int64
		want     string
	}{
		{nil, "the gateways serve revision 6"},
		{[]int64{4}, "the gateways serve revision 4"},
		{[]int64{5, 4}, "the gateways serve what each of them had before: one of the revisions 5, 4"},
	} {
		r := moving(7, halted)
		r.FallbackRevisions = tt.fallback
		if _, err := waitFor(t, 7, time.Minute, []*distributorv1.Rollout{r}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Wait returned %v, want %q", err, tt.want)
		}
	}
}

func TestWaitGivesUp(t *testing.T) {
	_, err := waitFor(t, 7, 100*time.Millisecond)
	var exit *app.Exit
	if !errors.As(err, &exit) || exit.Code != app.ExitDifference || !strings.Contains(err.Error(), "not converged") {
		t.Errorf("Wait returned %v", err)
	}
}

func TestANotConvergedWaitSaysWhatIsKnown(t *testing.T) {
	revision := &translatorv1.Revision{Group: "edge", Number: 7}
	end := &client.NotConvergedError{Revision: 7, After: time.Minute}
	want := "not converged: not every gateway serves revision 7 after 1m0s; 'silverback rollout status -g edge' shows where it stands"
	if got := explain(t.Context(), nil, end, revision, nil).Error(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	end.Err = status.Error(codes.Unavailable, "connection refused")
	err := explain(t.Context(), nil, end, revision, nil)
	want = "no distributor answers which gateways serve it, after 1m0s: "
	if !strings.Contains(err.Error(), want) || status.Code(err) == codes.Unavailable {
		t.Errorf("got %q as %s", err, status.Code(err))
	}
}

// What an operator must do about a rollout that waits is said at once, not at the end of the time, and again there.
func TestWaitSaysWhatTheRolloutWaitsFor(t *testing.T) {
	held := moving(7, distributorv1.Rollout_STATE_WAITING)
	held.Reason = "gw-1: ahead of the ledger; silverback recover"
	out, err := waitFor(t, 7, 100*time.Millisecond, []*distributorv1.Rollout{held})
	if want := "revision 7: waiting: gw-1: ahead of the ledger; silverback recover\n"; out != want {
		t.Errorf("it said %q, want %q", out, want)
	}
	var exit *app.Exit
	if !errors.As(err, &exit) || exit.Code != app.ExitDifference || !strings.HasSuffix(err.Error(),
		"its rollout waits after 100ms: gw-1: ahead of the ledger; silverback recover") {
		t.Errorf("it ended with %v", err)
	}
	out, err = waitFor(t, 7, time.Minute, []*distributorv1.Rollout{held, moving(7, progressing), moving(7, completed)})
	if err != nil || !strings.Contains(out, "waiting: gw-1") || !strings.Contains(out, "is served by every online gateway") {
		t.Errorf("after a recovery it said %q, %v", out, err)
	}
}

func TestWaitSaysOnceWhyNoRolloutBegins(t *testing.T) {
	closed := moving(6, completed)
	closed.Next = "revision 7 is rolled out when the change window opens, Sat 2026-12-05 02:00 UTC"
	out, err := waitFor(t, 7, 100*time.Millisecond, []*distributorv1.Rollout{moving(6, completed), closed, closed})
	if out != closed.GetNext()+"\n" || err == nil || !strings.Contains(err.Error(), "change window opens") {
		t.Errorf("it said %q, %v", out, err)
	}
}

func TestARefusalIsMovedToItsField(t *testing.T) {
	r := moving(7, halted)
	r.Refusals = []*distributorv1.Refusal{{Node: "gw-2", Problem: &fleetv1.Problem{Source: "a", Document: "a.yaml", Line: 3, Kind: "route",
		Name: "orders", Field: "paths[0]", Message: "no"}}}
	for _, of := range []int64{7, 8} { // the file of another revision is another
		r.CandidateRevision = of
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := grpc.NewServer()
		w := &watches{streams: make(chan []*distributorv1.Rollout, 1)}
		w.streams <- []*distributorv1.Rollout{r}
		distributorv1.RegisterRolloutServiceServer(server, w)
		go func() { _ = server.Serve(l) }()
		t.Cleanup(server.Stop)
		var out bytes.Buffer
		a := &app.App{Err: &out, Out: &out, Now: time.Now}
		a.Flags.Distributor, a.Flags.Translator = []string{l.Addr().String()}, []string{l.Addr().String()}
		t.Cleanup(a.Close)
		_ = Wait(t.Context(), a, "a", &translatorv1.Revision{Group: "edge", Number: 7}, time.Minute,
			func(p *fleetv1.Problem) { p.Line += 4 })
		if want := map[int64]string{7: "a.yaml:7", 8: "a.yaml:3"}[of]; !strings.Contains(out.String(), want) {
			t.Errorf("revision %d: %q", of, out.String())
		}
	}
}

func TestTheSoakOfTheLastWaveIsTheBake(t *testing.T) {
	r := moving(7, distributorv1.Rollout_STATE_SOAKING)
	if got, want := Line(r), "revision 7: wave 1 of 2 (soaking): 1/1 serving, 3 in all"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	r.Wave = 2
	if got, want := Line(r), "revision 7: wave 2 of 2 (baking): 1/1 serving, 3 in all"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
