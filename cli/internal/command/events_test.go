package command_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/command"
	"github.com/silverback-gateway/silverback/kit/fault"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// happened is a distributor with four events, a minute apart, the last an hour ago; and an event that comes to who watches.
type happened struct {
	registryv1.UnimplementedRegistryServiceServer
	distributorv1.UnimplementedEventServiceServer
}

func (happened) GetGroup(_ context.Context, r *registryv1.GetGroupRequest) (*registryv1.GetGroupResponse, error) {
	return &registryv1.GetGroupResponse{Group: &registryv1.Group{Name: r.GetName()}}, nil
}

func eventAt(i int64) *distributorv1.Event {
	reasons := []string{"RevisionCommitted", "RolloutStarted", "GateFailed", "RolloutRolledBack", "SourcePinned"}
	return &distributorv1.Event{
		Sequence: 256 * (i + 1), CreateTime: timestamppb.New(time.Now().Add(time.Duration(i-4)*time.Minute - time.Hour)), Group: "default",
		Reason: reasons[i], Revision: 7, Nodes: []string{"gw-1"}, NodeCount: 1,
		Message: "gate error-ratio failed in wave 1 of 2: 100 % of 320 requests failed, and 0 % of 610 outside of the wave",
	}
}

func (happened) ListEvents(_ context.Context, r *distributorv1.ListEventsRequest) (*distributorv1.ListEventsResponse, error) {
	answer := &distributorv1.ListEventsResponse{UpToSequence: 1100}
	for i := int64(3); i >= 0; i-- {
		if e := eventAt(i); (r.GetSince() == nil || e.GetCreateTime().AsTime().After(r.GetSince().AsTime())) &&
			(len(r.GetReasons()) == 0 || r.GetReasons()[0] == e.GetReason()) {
			answer.Events = append(answer.Events, e)
		}
	}
	return answer, nil
}

func (happened) WatchEvents(r *distributorv1.WatchEventsRequest, s distributorv1.EventService_WatchEventsServer) error {
	if r.GetAfterSequence() == 1 {
		return fault.ToStatus(fault.New(fault.OutOfRange, "EVENTS_TRIMMED", "events after 1 were deleted, up to 255: resume after 255")).Err()
	}
	for i := range int64(5) {
		if e := eventAt(i); e.GetSequence() > r.GetAfterSequence() {
			if err := s.Send(&distributorv1.WatchEventsResponse{Step: &distributorv1.WatchEventsResponse_Event{Event: e}}); err != nil {
				return err
			}
		}
	}
	if err := s.Send(&distributorv1.WatchEventsResponse{Step: &distributorv1.WatchEventsResponse_ReachedSequence{
		ReachedSequence: 1300}}); err != nil {
		return err
	}
	<-s.Context().Done()
	return s.Context().Err()
}

func TestEventsAreShown(t *testing.T) {
	t.Parallel()
	address := serve(t, func(s *grpc.Server) {
		registryv1.RegisterRegistryServiceServer(s, happened{})
		distributorv1.RegisterEventServiceServer(s, happened{})
	})
	for _, tt := range []struct {
		args string
		want string // the reasons
	}{
		{"", "RevisionCommitted RolloutStarted GateFailed RolloutRolledBack"},
		{"--since 62m30s", "GateFailed RolloutRolledBack"},
		{"--reason GateFailed -g default", "GateFailed"},
		{"--after 512", "GateFailed RolloutRolledBack SourcePinned"},
	} {
		code, out, errs := run("127.0.0.1:1", append(append([]string{"events"}, strings.Fields(tt.args)...), "--registry", address,
			"--distributor", address)...)
		var reasons []string
		for _, line := range strings.Split(strings.TrimSpace(out), "\n")[1:] {
			reasons = append(reasons, strings.Fields(line)[3])
		}
		if got := strings.Join(reasons, " "); code != app.ExitDone || errs != "" || got != tt.want {
			t.Errorf("events %s ended with %d, %q and\n%s", tt.args, code, errs, out)
		}
	}
	_, out, _ := run("127.0.0.1:1", "events", "--registry", address, "--distributor", address, "-o", "json")
	if !strings.Contains(out, `"reason": "GateFailed"`) || !strings.Contains(out, `"sequence": 768`) ||
		!strings.Contains(out, `"up_to_sequence"`) {
		t.Errorf("as JSON it prints\n%s", out)
	}
	for args, want := range map[string]string{
		"--after 1":             "error: events after 1 were deleted, up to 255: resume after 255",
		"--after 1 --since 1h":  "error: --since and --after both set the beginning",
		"--since -1h":           "error: --since -1h0m0s: want a time",
		"--after -5":            "error: --after -5: want the sequence",
		"--after 1 --watch":     "error: events after 1 were deleted",
		"--reason X unexpected": "error: ",
	} {
		if code, _, errs := run("127.0.0.1:1", append(append([]string{"events"}, strings.Fields(args)...), "--registry", address, "--distributor",
			address)...); code != app.ExitError || !strings.HasPrefix(errs, want) {
			t.Errorf("events %s ended with %d and %q", args, code, errs)
		}
	}
}

func TestEventsFit80Columns(t *testing.T) {
	t.Parallel()
	address := serve(t, func(s *grpc.Server) { distributorv1.RegisterEventServiceServer(s, happened{}) })
	var out strings.Builder
	a := &app.App{In: strings.NewReader(""), Out: &out, Err: &out, LookupEnv: func(string) (string, bool) { return "", false }, Now: time.Now,
		Terminal: true, Size: func() (int, int) { return 80, 24 }}
	if code := command.Run(t.Context(), a, "test", []string{"events", "--distributor", address}); code != app.ExitDone {
		t.Fatalf("it ended with %d: %s", code, out.String())
	}
	for _, line := range strings.Split(out.String(), "\n") {
		if n := len([]rune(line)); n > 80 {
			t.Errorf("a line has %d columns: %s", n, line)
		}
	}
	if !strings.Contains(out.String(), "RolloutRolledBack") || !strings.Contains(out.String(), "gate error-ratio") {
		t.Errorf("it shows\n%s", out.String())
	}
}

// lineWriter hands on what is printed.
type lineWriter chan string

func (w lineWriter) Write(p []byte) (int, error) { w <- string(p); return len(p), nil }

func TestEventsAreWatchedFromWhereTheListEnds(t *testing.T) {
	t.Parallel()
	address := serve(t, func(s *grpc.Server) { distributorv1.RegisterEventServiceServer(s, happened{}) })
	ctx, cancel := context.WithCancel(t.Context())
	lines := make(lineWriter)
	a := &app.App{In: strings.NewReader(""), Out: lines, Err: lines, LookupEnv: func(string) (string, bool) { return "", false },
		Now: time.Now}
	code := make(chan int)
	go func() {
		code <- command.Run(ctx, a, "test", []string{"events", "-w", "-o", "json", "--distributor", address})
	}()
	for i := range 5 {
		if line := <-lines; !strings.Contains(line, fmt.Sprintf(`"sequence":%d,`, 256*(i+1))) || strings.Count(line, "\n") != 1 {
			t.Errorf("line %d is %s", i, line)
		}
	}
	cancel()
	if got := <-code; got != app.ExitDone {
		t.Errorf("interrupted, it ended with %d", got)
	}
}
