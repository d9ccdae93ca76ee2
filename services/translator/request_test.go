package translator_test

import (
	"context"
	"errors"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/silverback-gateway/silverback/kit/fault"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

func withID(q *translatorv1.SubmitConfigRequest, id string) *translatorv1.SubmitConfigRequest {
	q.RequestId = id
	return q
}

func TestARepeatedRequestGetsTheFirstAnswer(t *testing.T) {
	p := startPlane(t, "g")
	a, b := p.replica(t), p.replica(t)
	first := a.mustSubmit(withID(config("g", "one", services("a")), "r1"))
	same := b.mustSubmit(withID(config("g", "one", services("a")), "r2"))
	b.mustSubmit(config("g", "two", services("b")))
	for id, want := range map[string]*translatorv1.SubmitConfigResponse{"r1": first, "r2": same} {
		for _, replica := range []*replica{a, b} {
			got := replica.mustSubmit(withID(config("g", "one", services("a")), id))
			if !proto.Equal(got, want) {
				t.Errorf("%s again gave %v, first %v", id, got, want)
			}
		}
	}
	if !same.GetUnchanged() || same.GetRevision().GetNumber() != 1 || a.head("g").GetNumber() != 2 {
		t.Errorf("unchanged answer %v, head %v", same, a.head("g"))
	}
	for _, q := range []*translatorv1.SubmitConfigRequest{config("g", "one", services("c")), config("g", "three", services("a"))} {
		_, err := b.submit(withID(q, "r1"))
		wantFault(t, err, fault.Conflict, "REQUEST_ID_REUSED")
	}
	_, err := b.DeleteSource(t.Context(), &translatorv1.DeleteSourceRequest{Group: "g", Source: "one", RequestId: "r1", AllowShrink: true})
	wantFault(t, err, fault.Conflict, "REQUEST_ID_REUSED")
	if n := a.head("g").GetNumber(); n != 2 {
		t.Errorf("the head is %d", n)
	}
}

// A client whose connection broke tries again while its first call is still under way elsewhere.
func TestARetryThatOvertakesItsFirstCall(t *testing.T) {
	for name, test := range map[string]struct {
		retry string
		want  error
	}{
		"the same content is committed once and answered alike": {retry: services("a", "b")},
		"other content under the id is refused":                 {retry: services("a", "c"), want: fault.Of(fault.Conflict)},
	} {
		t.Run(name, func(t *testing.T) {
			p := startPlane(t, "g")
			arrived, goOn := make(chan struct{}), make(chan struct{})
			held := &commits{before: func(context.Context) error {
				select {
				case arrived <- struct{}{}:
					<-goOn
				case <-goOn:
				}
				return nil
			}}
			slow, quick := p.replicaOn(t, held.client(t, p.etcd)), p.replica(t)
			quick.mustSubmit(config("g", "one", services("a")))
			type answer struct {
				response *translatorv1.SubmitConfigResponse
				err      error
			}
			answers := make(chan answer, 1)
			go func() {
				response, err := slow.submit(withID(config("g", "one", services("a", "b")), "r"))
				answers <- answer{response, err}
			}()
			<-arrived
			second := quick.mustSubmit(withID(config("g", "one", test.retry), "r"))
			close(goOn)
			first := <-answers
			if test.want != nil {
				if !errors.Is(first.err, test.want) {
					t.Errorf("got %v, %v", first.response, first.err)
				}
			} else if first.err != nil || !proto.Equal(first.response, second) || second.GetUnchanged() {
				t.Errorf("the first call was answered %v, %v; the retry %v", first.response, first.err, second)
			}
			if replay := quick.mustSubmit(withID(config("g", "one", test.retry), "r")); !proto.Equal(replay, second) {
				t.Errorf("later the answer is %v, it was %v", replay, second)
			}
			if n := quick.head("g").GetNumber(); n != 2 {
				t.Errorf("the head is %d", n)
			}
		})
	}
}

func TestAnAnswerThatWasLostIsGivenAgain(t *testing.T) {
	p := startPlane(t, "g")
	lossy := &commits{after: func() error { return status.Error(codes.Unavailable, "etcd went away") }}
	a, b := p.replicaOn(t, lossy.client(t, p.etcd)), p.replica(t)
	q := withID(config("g", "one", services("a")), "r")
	if _, err := a.submit(q); err == nil {
		t.Fatal("an answer although the commit's was lost")
	}
	answer := b.mustSubmit(q)
	if answer.GetUnchanged() || answer.GetRevision().GetNumber() != 1 || answer.GetChanges().GetAdded() != 2 {
		t.Errorf("the retry gave %v", answer)
	}
}

// The content is written, and then nothing more happens.
func TestAProcessThatDiesBeforeItsCommitChangesNothing(t *testing.T) {
	p := startPlane(t, "g")
	survivor := p.replica(t)
	survivor.mustSubmit(config("g", "one", services("a")))
	before := keys(t, p.etcd, "desired/")
	dying := p.etcd.Cut(t)
	reached := make(chan struct{})
	cut := &commits{before: func(ctx context.Context) error {
		dying.Sever()
		close(reached)
		return nil
	}}
	client := dying.Client(t)
	client.KV = &heldKV{KV: client.KV, commits: cut}
	victim := p.replicaOn(t, client)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := victim.SubmitConfig(ctx, withID(config("g", "one", services("a", "b")), "r"))
		failed <- err
	}()
	<-reached
	if n := keys(t, p.etcd, "content/manifests/"); n != 2 {
		t.Fatalf("%d manifests: the content was to be there", n)
	}
	cancel()
	if err := <-failed; err == nil {
		t.Fatal("a submission was acknowledged without a commit")
	}
	if after := keys(t, p.etcd, "desired/"); after != before || survivor.head("g").GetNumber() != 1 {
		t.Fatalf("%d keys before, %d after; head %v", before, after, survivor.head("g"))
	}
	answer := survivor.mustSubmit(withID(config("g", "one", services("a", "b")), "r"))
	if answer.GetRevision().GetNumber() != 2 || answer.GetUnchanged() {
		t.Errorf("the retry gave %v", answer)
	}
	if got := survivor.snapshot("g", 2, translatorv1.RenderConfigRequest_FORMAT_CANONICAL); len(got) == 0 {
		t.Error("the content is not to be had")
	}
}

func TestAClientThatCancelsHalfWayChangesNothing(t *testing.T) {
	p := startPlane(t, "g")
	ctx, cancel := context.WithCancel(t.Context())
	held := &commits{before: func(call context.Context) error {
		cancel()
		<-call.Done()
		return nil
	}}
	a, b := p.replicaOn(t, held.client(t, p.etcd)), p.replica(t)
	_, err := a.SubmitConfig(ctx, config("g", "one", services("a")))
	if status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
	if head := b.head("g"); head != nil {
		t.Errorf("the head is %v", head)
	}
	if n := keys(t, p.etcd, "desired/"); n != 0 {
		t.Errorf("%d keys were written", n)
	}
	if answer := b.mustSubmit(config("g", "one", services("a"))); answer.GetRevision().GetNumber() != 1 {
		t.Errorf("the next submission gave %v", answer)
	}
}

func TestALedgerThatIsAwayIsUnavailable(t *testing.T) {
	p := startPlane(t, "g")
	gone := &commits{before: func(context.Context) error {
		return rpctypes.ErrNoLeader
	}}
	_, err := p.replicaOn(t, gone.client(t, p.etcd)).submit(config("g", "one", services("a")))
	if !errors.Is(err, fault.Of(fault.Down)) {
		t.Errorf("got %v", err)
	}
}

func TestAReplicaThatIsCutOffFromTheLedgerLetsItsCallersGo(t *testing.T) {
	p := startPlane(t, "g")
	way := p.etcd.Cut(t)
	cut, well := p.replicaOn(t, way.Client(t)), p.replica(t)
	way.Sever()
	ctx, cancel := context.WithTimeout(t.Context(), waitTimeout)
	defer cancel()
	_, err := cut.SubmitConfig(ctx, withID(config("g", "one", services("a")), "r"))
	wantFault(t, err, fault.Down, "LEDGER_DOWN")
	if answer := well.mustSubmit(withID(config("g", "one", services("a")), "r")); answer.GetUnchanged() {
		t.Errorf("the other replica gave %v", answer)
	}
	way.Mend()
	eventually(t, "the replica is well again", func() bool {
		answer, err := cut.submit(withID(config("g", "one", services("a")), "r"))
		return err == nil && answer.GetRevision().GetNumber() == 1 && !answer.GetUnchanged()
	})
}
