package distributor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/testkit/agenttest"
)

func (r *replica) events() distributorv1.EventServiceClient {
	return distributorv1.NewEventServiceClient(r.conn)
}

// listed returns the events that are kept, the oldest first.
func (r *replica) listed(t testing.TB, request *distributorv1.ListEventsRequest) (all []*distributorv1.Event) {
	t.Helper()
	for {
		page, err := r.events().ListEvents(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.GetEvents()...)
		if request.PageToken = page.GetNextPageToken(); request.GetPageToken() == "" {
			slices.Reverse(all)
			return all
		}
	}
}

// follow reads a watch until a sequence is reached, and returns the events and the last sequence.
func (r *replica) follow(ctx context.Context, request *distributorv1.WatchEventsRequest, until int64) (all []*distributorv1.Event, at int64,
	err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := r.events().WatchEvents(ctx, request)
	if err != nil {
		return nil, 0, err
	}
	for at < until || at == 0 {
		m, err := stream.Recv()
		if err != nil {
			return all, at, err
		}
		if e := m.GetEvent(); e != nil {
			all, at = append(all, e), e.GetSequence()
		} else {
			at = m.GetReachedSequence()
		}
	}
	return all, at, nil
}

func told(all []*distributorv1.Event, about func(*distributorv1.Event) bool) string {
	var reasons []string
	for _, e := range all {
		if about(e) {
			reasons = append(reasons, e.GetReason())
		}
	}
	return strings.Join(reasons, " ")
}

func ofRevision(n int64) func(*distributorv1.Event) bool {
	return func(e *distributorv1.Event) bool { return e.GetRevision() == n }
}

const wholeRollout = "RevisionCommitted RolloutStarted WaveStarted WavePassed WaveStarted WavePassed RolloutCompleted"

// The leader is killed at each step of a healthy rollout, and a reader goes on at another replica: what it gets is what is kept, in order,
// each once, and whole.
func TestEventsAreWholeAndInOrderOverKilledLeaders(t *testing.T) {
	m := newMortals(t)
	for i := range 3 {
		m.agent(agenttest.Config{Node: fmt.Sprintf("n%d", i), Conn: func() grpc.ClientConnInterface { return m.any().conn }}, nil)
	}
	var got []*distributorv1.Event
	at := int64(0)
	for step := 1; ; step++ {
		m.killAt(step)
		m.revise(fmt.Sprint("-", step))
		n := m.upstream.Newest("g")
		eventually(t, fmt.Sprintf("revision %d is complete", n), func() bool {
			all, err := m.any().events().ListEvents(t.Context(), &distributorv1.ListEventsRequest{PageSize: 3})
			return err == nil && told(all.GetEvents(), ofRevision(n)) != "" && all.GetEvents()[0].GetReason() == "RolloutCompleted"
		})
		m.killAt(0)
		newest := m.any().listed(t, &distributorv1.ListEventsRequest{PageSize: 3})
		more, reached, err := m.any().follow(t.Context(), &distributorv1.WatchEventsRequest{AfterSequence: at},
			newest[len(newest)-1].GetSequence())
		if err != nil {
			t.Fatal(err)
		}
		got, at = append(got, more...), reached
		if m.count() == 2 {
			break // there was no such step
		}
		m.fill()
	}
	kept := m.any().listed(t, &distributorv1.ListEventsRequest{PageSize: 2})
	if len(got) != len(kept) {
		t.Fatalf("%d events were received, %d are kept", len(got), len(kept))
	}
	for i := range kept {
		if !proto.Equal(got[i], kept[i]) || i > 0 && kept[i].GetSequence() <= kept[i-1].GetSequence() {
			t.Errorf("event %d is\n%v, kept is\n%v", i, got[i], kept[i])
		}
	}
	rollouts := m.upstream.Newest("g")
	for n := int64(1); n <= rollouts; n++ {
		if reasons := told(kept, ofRevision(n)); reasons != wholeRollout {
			t.Errorf("of revision %d is told\n%s, want\n%s", n, reasons, wholeRollout)
		}
	}
	if rollouts < 4 {
		t.Errorf("the leader was killed %d times", rollouts-1)
	}
	transactions(t, m.etcd)
}

// transactions checks in the history of etcd that every event of a rollout was written together with the rollout's record.
func transactions(t *testing.T, etcd *clientv3.Client) {
	t.Helper()
	answer, err := etcd.Get(t.Context(), "decided/events/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, kv := range answer.Kvs {
		var record struct {
			Value struct {
				Events []struct{ Group, Rollout string }
			}
		}
		if err := json.Unmarshal(kv.Value, &record); err != nil {
			t.Fatal(err)
		}
		for _, e := range record.Value.Events {
			if e.Rollout == "" {
				continue
			}
			then, err := etcd.Get(t.Context(), "decided/rollouts/"+e.Group+"/"+e.Rollout, clientv3.WithRev(kv.ModRevision))
			if err != nil || len(then.Kvs) != 1 || then.Kvs[0].ModRevision != kv.ModRevision {
				t.Errorf("at revision %d of etcd an event was written without the record of rollout %s: %v", kv.ModRevision, e.Rollout, err)
			}
			checked++
		}
	}
	if checked == 0 {
		t.Error("there were no events to check")
	}
}

func TestOrdersPinsAndQuarantineAreTold(t *testing.T) {
	p, one, two, _ := soakingTwo(t)
	if _, err := two.PauseRollout(t.Context(), &distributorv1.PauseRolloutRequest{Group: "g", Reason: "look"}); err != nil {
		t.Fatal(err)
	}
	p.upstream.Quarantine("g", "n1", true)
	eventually(t, "the quarantine is told", func() bool {
		return len(one.listed(t, &distributorv1.ListEventsRequest{Reasons: []string{"NodeQuarantined"}})) == 1
	})
	p.upstream.Quarantine("g", "n1", false)
	if _, err := two.FreezeGroup(t.Context(), &distributorv1.FreezeGroupRequest{Group: "g", Reason: "sale"}); err != nil {
		t.Fatal(err)
	}
	answer, err := one.AbortRollout(t.Context(), &distributorv1.AbortRolloutRequest{Group: "g", Reason: "slow pages"})
	if err != nil {
		t.Fatal(err)
	}
	aborted := answer.GetRollout().GetCandidateRevision()
	if _, err := two.UnfreezeGroup(t.Context(), &distributorv1.UnfreezeGroupRequest{Group: "g", Reason: "over"}); err != nil {
		t.Fatal(err)
	}
	one.reaches(t, aborted+1, completed)
	p.upstream.Unpin("g")
	eventually(t, "the end of the pin is told", func() bool {
		return len(two.listed(t, &distributorv1.ListEventsRequest{Reasons: []string{"SourceUnpinned"}})) == 1
	})
	all := two.listed(t, &distributorv1.ListEventsRequest{})
	if got := told(all, ofRevision(aborted)); got != "RevisionCommitted RolloutStarted WaveStarted RolloutPaused RolloutRolledBack" {
		t.Errorf("of the aborted revision is told %s", got)
	}
	rest := told(all, func(e *distributorv1.Event) bool { return e.GetRevision() == 0 })
	for _, want := range []string{"NodeQuarantined", "NodeReleased", "GroupFrozen", "GroupUnfrozen"} {
		if strings.Count(rest, want) != 1 {
			t.Errorf("%s is not told once: %s", want, rest)
		}
	}
	for _, e := range all {
		switch e.GetReason() {
		case "SourcePinned":
			if e.GetSource() != "team-a" || e.GetRollout() != answer.GetRollout().GetId() || e.GetRevision() != aborted+1 {
				t.Errorf("the pin is told as %v", e)
			}
		case "NodeQuarantined":
			if fmt.Sprint(e.GetNodes()) != "[n1]" || e.GetNodeCount() != 1 || e.GetMessage() != "node n1 is in quarantine: for the test" {
				t.Errorf("the quarantine is told as %v", e)
			}
		case "RolloutPaused":
			if e.GetAuthor() != "anonymous" || !strings.Contains(e.GetMessage(), "look") {
				t.Errorf("the pause is told as %v", e)
			}
		}
	}
	if got := told(one.listed(t, &distributorv1.ListEventsRequest{Groups: []string{"other"}}), func(*distributorv1.Event) bool {
		return true
	}); got != "" {
		t.Errorf("of another group is told %s", got)
	}
	if _, err := one.events().ListEvents(t.Context(), &distributorv1.ListEventsRequest{Reasons: []string{"Nonsense"}}); reason(err) !=
		"INVALID_REQUEST" {
		t.Errorf("an unknown reason is answered with %v", err)
	}
}

func TestAReaderThatWasAwayTooLongIsTold(t *testing.T) {
	p := newControlPlane(t)
	p.keepEvents = 100
	r := p.replica("one")
	eventually(t, "there is a leader", func() bool { name, _ := r.Leader(t.Context()); return name == "one" })
	for i := range 75 { // two events each
		eventually(t, "the group, which the replica has to hear of, is frozen", func() bool {
			_, err := r.FreezeGroup(t.Context(), &distributorv1.FreezeGroupRequest{Group: "g", Reason: fmt.Sprint("sale ", i)})
			return err == nil
		})
		if _, err := r.UnfreezeGroup(t.Context(), &distributorv1.UnfreezeGroupRequest{Group: "g", Reason: "over"}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the oldest are deleted", func() bool {
		return len(r.listed(t, &distributorv1.ListEventsRequest{})) == 100
	})
	kept := r.listed(t, &distributorv1.ListEventsRequest{PageSize: 7})
	newest := kept[99].GetSequence()
	_, _, err := r.follow(t.Context(), &distributorv1.WatchEventsRequest{AfterSequence: 1}, newest)
	var f *fault.Error
	if !errors.As(fault.FromStatus(err), &f) || f.Kind != fault.OutOfRange || f.Reason != "EVENTS_TRIMMED" ||
		f.Metadata["oldest"] != fmt.Sprint(kept[0].GetSequence()) || f.Metadata["newest"] != fmt.Sprint(newest) {
		t.Fatalf("a reader from before is answered with %v, %+v", err, f)
	}
	resume, err := strconv.ParseInt(f.Metadata["resume_after"], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	for name, request := range map[string]*distributorv1.WatchEventsRequest{
		"as it is told to":    {AfterSequence: resume},
		"from the oldest":     {},
		"of the group itself": {AfterSequence: resume, Groups: []string{"g"}},
	} {
		if all, _, err := r.follow(t.Context(), request, newest); err != nil || len(all) != 100 {
			t.Errorf("%s: it got %d events, %v", name, len(all), err)
		}
	}
	if all, at, err := r.follow(t.Context(), &distributorv1.WatchEventsRequest{Reasons: []string{"NodeRefused"}}, newest); err != nil ||
		len(all) != 0 || at < newest {
		t.Errorf("a reader of rare events got %d, reached %d, %v", len(all), at, err)
	}
	_, _, err = r.follow(t.Context(), &distributorv1.WatchEventsRequest{AfterSequence: newest << 8}, newest)
	if !errors.As(fault.FromStatus(err), &f) || f.Kind != fault.OutOfRange || f.Reason != "EVENTS_UNKNOWN" {
		t.Errorf("a reader from another life of the ledger is answered with %v", err)
	}
}

// Every replica has one watch of the ledger, whatever the number of those who watch it.
func TestManyReadersCostOneWatchOfEtcd(t *testing.T) {
	const connections, each = 4, 75
	p := newControlPlane(t)
	r := p.replica("one")
	p.revise("")
	eventually(t, "something is told", func() bool { return len(r.listed(t, &distributorv1.ListEventsRequest{})) > 0 })
	before := etcdWatchers(t)
	ctx, cancel := context.WithCancel(t.Context())
	var streams []distributorv1.EventService_WatchEventsClient
	for range connections {
		conn, err := rpc.Dial(rpc.ClientConfig{Addresses: []string{r.conn.Target()[strings.LastIndex(r.conn.Target(), "/")+1:]}})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		for range each {
			stream, err := distributorv1.NewEventServiceClient(conn).WatchEvents(ctx, &distributorv1.WatchEventsRequest{OnlyNew: true})
			if err != nil {
				t.Fatal(err)
			}
			if m, err := stream.Recv(); err != nil || m.GetReachedSequence() == 0 {
				t.Fatalf("a watch begins with %v, %v", m, err)
			}
			streams = append(streams, stream)
		}
	}
	if now := etcdWatchers(t); now != before {
		t.Errorf("with %d readers etcd has %v watchers, without them %v", len(streams), now, before)
	}
	if _, err := r.FreezeGroup(ctx, &distributorv1.FreezeGroupRequest{Group: "g", Reason: "sale"}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, s := range streams {
		all.Go(func() {
			if m, err := s.Recv(); err != nil || m.GetEvent().GetReason() != "GroupFrozen" {
				t.Errorf("a reader got %v, %v", m, err)
			}
		})
	}
	all.Wait()
	cancel()
}

// etcdWatchers returns how many watchers the etcd of this process has.
func etcdWatchers(t *testing.T) float64 {
	t.Helper()
	families, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "etcd_debugging_mvcc_watcher_total" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatal("etcd does not count its watchers")
	return 0
}
