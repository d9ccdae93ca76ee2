package election_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/election"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	processrun "github.com/silverback-gateway/silverback/kit/run"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

const (
	prefix   = "/election/test"
	patience = time.Minute
)

// reign is one leadership as its leader saw it.
type reign struct {
	replica string
	term    fleet.Term
	fence   etcdkv.Fence
	ended   <-chan struct{}
	cause   func() error
	beside  bool // another replica's reign had not ended when this one began
}

// reigns are told of in order.
type reigns struct {
	told   chan reign
	mu     sync.Mutex
	newest context.Context // of the reign that began last
}

func newReigns() *reigns { return &reigns{told: make(chan reign, 8)} }

func (r *reigns) begin(ctx context.Context, next reign) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next.beside = r.newest != nil && r.newest.Err() == nil
	r.newest = ctx
	r.told <- next
}

// run makes a replica a candidate and tells of each reign.
func run(ctx context.Context, t *testing.T, client *clientv3.Client, replica string, all *reigns) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		_ = election.Run(ctx, election.Config{Client: client, Prefix: prefix, Replica: replica},
			func(ctx context.Context, term fleet.Term, fence etcdkv.Fence) error {
				all.begin(ctx, reign{replica: replica, term: term, fence: fence, ended: ctx.Done(), cause: func() error { return context.Cause(ctx) }})
				<-ctx.Done()
				return context.Cause(ctx)
			})
	})
	return func() { cancel(); done.Wait() }
}

func next(t *testing.T, all *reigns) reign {
	t.Helper()
	select {
	case r := <-all.told:
		return r
	case <-time.After(patience):
		t.Fatal("nobody leads")
		return reign{}
	}
}

func TestHandOverByResigning(t *testing.T) {
	server := etcdtest.Start(t)
	all := newReigns()
	stopA := run(t.Context(), t, server.Client(t), "a", all)
	first := next(t, all)
	stopB := run(t.Context(), t, server.Client(t), "b", all)
	defer stopB()
	began := time.Now()
	stopA()
	second := next(t, all)
	t.Logf("handed over in %s", time.Since(began))
	if first.replica != "a" || second.replica != "b" || second.term <= first.term || second.beside {
		t.Errorf("first %s in term %d, then %s in term %d", first.replica, first.term, second.replica, second.term)
	}
	leader, err := election.Leader(t.Context(), server.Client(t), prefix)
	if err != nil || leader != "b" {
		t.Errorf("Leader is %q, %v", leader, err)
	}
	_, err = first.fence.Commit(t.Context(), server.Client(t), nil, clientv3.OpPut("/x", "old"))
	if !errors.Is(err, fault.Of(fault.StaleTerm)) {
		t.Errorf("the old leader's write gave %v, want a stale term", err)
	}
}

// A leader that cannot reach etcd stops leading by its own clock, before another can be elected.
func TestCutOffLeaderStopsByItself(t *testing.T) {
	server := etcdtest.StartCluster(t, 3)
	cut := server.Cut(t)
	all := newReigns()
	defer run(t.Context(), t, cut.Client(t), "a", all)()
	first := next(t, all)
	defer run(t.Context(), t, server.Client(t), "b", all)()
	cut.Sever()
	select {
	case <-first.ended:
	case <-time.After(patience):
		t.Fatal("the leader leads on without its lease")
	}
	if !errors.Is(first.cause(), election.ErrLost) {
		t.Errorf("the reign ended with %v", first.cause())
	}
	second := next(t, all)
	if second.beside {
		t.Errorf("%s led before the cut off leader had stopped", second.replica)
	}
	if second.replica != "b" || second.term <= first.term {
		t.Errorf("then %s led in term %d", second.replica, second.term)
	}
}

func TestLostLeaseEndsTheReign(t *testing.T) {
	server := etcdtest.Start(t)
	client := server.Client(t)
	all := newReigns()
	defer run(t.Context(), t, client, "a", all)()
	first := next(t, all)
	leases, err := client.Leases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range leases.Leases {
		if _, err := client.Revoke(t.Context(), l.ID); err != nil {
			t.Fatal(err)
		}
	}
	<-first.ended
	if again := next(t, all); again.term <= first.term {
		t.Errorf("the next term is %d after %d", again.term, first.term)
	}
}

// deaf holds what is asked of it after it fell silent until whoever asks gives up, and tells of each such transaction.
type deaf struct {
	clientv3.KV
	silent atomic.Bool
	asked  chan context.Context
}

func (d *deaf) Txn(ctx context.Context) clientv3.Txn {
	if !d.silent.Load() {
		return d.KV.Txn(ctx)
	}
	return deafTxn{d, ctx}
}

type deafTxn struct {
	*deaf
	ctx context.Context
}

func (t deafTxn) If(...clientv3.Cmp) clientv3.Txn  { return t }
func (t deafTxn) Then(...clientv3.Op) clientv3.Txn { return t }
func (t deafTxn) Else(...clientv3.Op) clientv3.Txn { return t }

func (t deafTxn) Commit() (*clientv3.TxnResponse, error) {
	t.asked <- t.ctx
	<-t.ctx.Done()
	return nil, context.Cause(t.ctx)
}

// Who waits to lead resigns as who leads does, and must not wait for an etcd that went before it.
func TestACandidateDoesNotWaitForADeadEtcdToResign(t *testing.T) {
	server := etcdtest.Start(t)
	all := newReigns()
	defer run(t.Context(), t, server.Client(t), "a", all)()
	next(t, all)
	client := server.Client(t)
	kv := &deaf{KV: client.KV, asked: make(chan context.Context, 1)}
	client.KV = kv
	stopB := run(t.Context(), t, client, "b", all)
	for candidates := int64(0); candidates < 2; {
		answer, err := client.Get(t.Context(), prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err != nil {
			t.Fatal(err)
		}
		candidates = answer.Count
	}
	kv.silent.Store(true)
	server.Stop(0)
	stopped := make(chan struct{})
	go func() { defer close(stopped); stopB() }()
	resigned := <-kv.asked
	select {
	case <-resigned.Done():
		<-stopped
	case <-time.After(patience):
		t.Fatal("to resign has no end of its own")
	}
	if !errors.Is(context.Cause(resigned), processrun.ErrShutdownTimeout) {
		t.Errorf("to resign was given up with %v", context.Cause(resigned))
	}
}

// firstLine keeps the first line of a log.
type firstLine chan string

func (l firstLine) Write(p []byte) (int, error) {
	select {
	case l <- string(p):
	default:
	}
	return len(p), nil
}

// A replica that never led has no leadership to lose: while etcd is away it has nothing to say every few seconds.
func TestACampaignWithoutEtcdIsNoNews(t *testing.T) {
	server := etcdtest.Start(t)
	client := server.Client(t)
	server.Stop(0)
	lines := make(firstLine, 1) // the first line is looked at
	log := slog.New(slog.NewTextHandler(lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = election.Run(ctx, election.Config{Client: client, Prefix: prefix, Replica: "a", Log: log}, nil)
	}()
	if line := <-lines; !strings.Contains(line, "level=DEBUG") {
		t.Errorf("the log says %s", line)
	}
	cancel()
	<-done
}

// An etcd without space answers who reads, and so nothing else tells why nobody leads. It is told once, for it comes several times a
// second.
func TestALeaseThatEtcdRefusesIsTold(t *testing.T) {
	server := etcdtest.Start(t)
	client := server.Client(t)
	alarm(t, client, etcdserverpb.AlarmRequest_ACTIVATE)
	asked := make(chan struct{}, 3) // so many are waited for
	client.Lease = grants{client.Lease, asked}
	all := newReigns()
	log := &record{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = election.Run(ctx, election.Config{Client: client, Prefix: prefix, Replica: "a", Log: slog.New(slog.NewTextHandler(log, nil))},
			func(ctx context.Context, term fleet.Term, fence etcdkv.Fence) error {
				all.begin(ctx, reign{replica: "a", term: term, fence: fence})
				<-ctx.Done()
				return context.Cause(ctx)
			})
	}()
	defer func() { cancel(); <-done }()
	for range cap(asked) {
		<-asked
	}
	alarm(t, client, etcdserverpb.AlarmRequest_DEACTIVATE)
	next(t, all)
	const line = `msg="etcd grants no lease to campaign with; trying again"`
	if text := log.text(); strings.Count(text, line) != 1 || !strings.Contains(text, "level=WARN "+line) ||
		!strings.Contains(text, "space exceeded") {
		t.Errorf("the log says\n%s", text)
	}
}

// grants tells of the first leases that are asked for.
type grants struct {
	clientv3.Lease
	asked chan struct{}
}

func (g grants) Grant(ctx context.Context, ttl int64) (*clientv3.LeaseGrantResponse, error) {
	select {
	case g.asked <- struct{}{}:
	default:
	}
	return g.Lease.Grant(ctx, ttl)
}

// alarm tells an etcd that it has no space, or that it has some again.
func alarm(t *testing.T, client *clientv3.Client, action etcdserverpb.AlarmRequest_AlarmAction) {
	t.Helper()
	members, err := client.MemberList(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := etcdserverpb.NewMaintenanceClient(client.ActiveConnection()).Alarm(t.Context(), &etcdserverpb.AlarmRequest{
		Action: action, MemberID: members.Members[0].ID, Alarm: etcdserverpb.AlarmType_NOSPACE,
	}); err != nil {
		t.Fatal(err)
	}
}

// record keeps what is logged.
type record struct {
	mu  sync.Mutex
	all strings.Builder
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all.Write(p)
}

func (r *record) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all.String()
}

// Two elections on one ledger have one leader: a replica that was told another one waits, and says why.
func TestAnElectionBesideHasNoSecondLeader(t *testing.T) {
	server := etcdtest.Start(t)
	all, log := newReigns(), &record{}
	stop := run(t.Context(), t, server.Client(t), "a", all)
	next(t, all)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		other := election.Config{Client: server.Client(t), Prefix: "/election/other", Replica: "b", Log: slog.New(slog.NewTextHandler(log, nil))}
		_ = election.Run(ctx, other,
			func(ctx context.Context, term fleet.Term, fence etcdkv.Fence) error {
				all.begin(ctx, reign{replica: "b", term: term, fence: fence})
				<-ctx.Done()
				return context.Cause(ctx)
			})
	}()
	defer func() { cancel(); <-done }()
	const line = "another election has a candidate on this ledger"
	deadline := time.After(patience)
	for !strings.Contains(log.text(), line) {
		select {
		case r := <-all.told:
			t.Fatalf("%s leads beside another leader: %v", r.replica, r.beside)
		case <-deadline:
			t.Fatalf("the log says %s", log.text())
		case <-time.After(10 * time.Millisecond):
		}
	}
	if text := log.text(); !strings.Contains(text, "election=/election/other/") || !strings.Contains(text, "candidate="+prefix+"/") {
		t.Errorf("the log says %s", text)
	}
	stop()
	if r := next(t, all); r.replica != "b" || r.beside {
		t.Errorf("then %s leads, beside the other: %v", r.replica, r.beside)
	}
	if text := log.text(); strings.Count(text, line) != 1 {
		t.Errorf("it is told more than once: %s", text)
	}
}
