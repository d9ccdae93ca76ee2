package etcdkv_test

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/election"
	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/kit/tlsfiles/tlstest"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

const patience = time.Minute

func dial(t *testing.T, server *etcdtest.Server, prefix string) *clientv3.Client {
	t.Helper()
	client, err := etcdkv.Dial(etcdkv.Config{Endpoints: server.Endpoints, Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// everything returns what etcd holds, by key.
func everything(t *testing.T, server *etcdtest.Server) map[string]string {
	t.Helper()
	answer, err := server.Client(t).Get(t.Context(), "", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, kv := range answer.Kvs {
		all[string(kv.Key)] = string(kv.Value)
	}
	return all
}

func TestClientsOfTwoPrefixesDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := etcdtest.Start(t)
	// One of them begins as the other does, and is followed by it in the order of keys.
	blue, green := dial(t, server, "/fleets/blue/"), dial(t, server, "/fleets/blue2/")

	// Put, in a transaction with a nested one, and a put with a lease.
	lease, err := blue.Grant(ctx, 60)
	if err != nil {
		t.Fatal(err)
	}
	absent := clientv3.Compare(clientv3.CreateRevision(prefix), "=", 0).WithPrefix()
	for _, side := range []struct {
		client *clientv3.Client
		name   string
	}{{blue, "blue"}, {green, "green"}} {
		answer, err := etcdkv.WithTimeouts(side.client).Txn(ctx).If(absent).Then(
			clientv3.OpPut(prefix+"a", side.name),
			clientv3.OpTxn([]clientv3.Cmp{absent}, []clientv3.Op{clientv3.OpPut(prefix+"b", side.name)}, nil),
		).Commit()
		if err != nil || !answer.Succeeded {
			t.Fatalf("%s: the first of its prefix is not written: %v", side.name, err)
		}
	}
	if _, err := blue.Put(ctx, prefix+"leased", "blue", clientv3.WithLease(lease.ID)); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"/fleets/blue//t/a": "blue", "/fleets/blue//t/b": "blue", "/fleets/blue//t/leased": "blue",
		"/fleets/blue2//t/a": "green", "/fleets/blue2//t/b": "green",
	}
	if got := everything(t, server); !maps.Equal(got, want) {
		t.Errorf("etcd holds %v, want %v", got, want)
	}

	// Get and List.
	for _, kv := range []clientv3.KV{green, etcdkv.WithTimeouts(green)} {
		all, _, err := etcdkv.List(ctx, kv, "/")
		if err != nil || len(all) != 2 || all[0].Key != prefix+"a" || string(all[0].Value) != "green" {
			t.Errorf("green lists %v, %v", all, err)
		}
		if got := etcdkv.Full(kv, prefix+"a"); got != "/fleets/blue2//t/a" {
			t.Errorf("the full key is %q", got)
		}
	}
	if got := etcdkv.Full(server.Client(t), prefix); got != prefix {
		t.Errorf("without a prefix the full key is %q", got)
	}

	// Watch: what it lists, changes of its own and none of the other's.
	seen, stop := record(t, green)
	defer stop()
	seen.await(t, map[string]string{prefix + "a": "green", prefix + "b": "green"})
	if _, err := blue.Put(ctx, prefix+"c", "blue"); err != nil {
		t.Fatal(err)
	}
	if _, err := green.Put(ctx, prefix+"d", "green"); err != nil {
		t.Fatal(err)
	}
	if _, err := green.Delete(ctx, prefix+"a"); err != nil {
		t.Fatal(err)
	}
	seen.await(t, map[string]string{prefix + "b": "green", prefix + "d": "green"})

	// Leases are of the whole etcd; what they take away is of one prefix.
	alive, err := blue.TimeToLive(ctx, lease.ID, clientv3.WithAttachedKeys())
	if err != nil || len(alive.Keys) != 1 || string(alive.Keys[0]) != prefix+"leased" {
		t.Errorf("the lease holds %v, %v", alive, err)
	}
	if _, err := blue.Revoke(ctx, lease.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := green.Delete(ctx, "", clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	left := slices.Sorted(maps.Keys(everything(t, server)))
	if want := []string{"/fleets/blue//t/a", "/fleets/blue//t/b", "/fleets/blue//t/c"}; !slices.Equal(left, want) {
		t.Errorf("left is %v, want %v", left, want)
	}
}

func TestEachPrefixHasALeaderOfTheSameElection(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	lead := func(prefix string) (client *clientv3.Client, fence etcdkv.Fence) {
		client = dial(t, server, prefix)
		began, ended := make(chan etcdkv.Fence, 8), make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer close(ended)
			candidate := election.Config{Client: client, Prefix: "election/x", Replica: prefix}
			_ = election.Run(ctx, candidate, func(ctx context.Context, _ fleet.Term, fence etcdkv.Fence) error {
				began <- fence
				<-ctx.Done()
				return context.Cause(ctx)
			})
		}()
		t.Cleanup(func() { cancel(); <-ended })
		select {
		case fence = <-began:
		case <-time.After(patience):
			t.Fatalf("nobody leads under %s", prefix)
		}
		return client, fence
	}
	blue, blues := lead("/blue/")
	green, greens := lead("/green/")
	for _, side := range []struct {
		client *clientv3.Client
		fence  etcdkv.Fence
		prefix string
	}{{blue, blues, "/blue/"}, {green, greens, "/green/"}} {
		if leader, err := election.Leader(t.Context(), side.client, "election/x"); err != nil || leader != side.prefix {
			t.Errorf("under %s %q leads, %v", side.prefix, leader, err)
		}
		if _, err := side.fence.Commit(t.Context(), side.client, nil, clientv3.OpPut("decided", "x")); err != nil {
			t.Errorf("the leader under %s does not write: %v", side.prefix, err)
		}
	}
	if _, err := blues.Commit(t.Context(), green, nil, clientv3.OpPut("decided", "y")); err == nil {
		t.Error("the leader under one prefix writes under the other")
	}
	for key := range everything(t, server) {
		if !strings.HasPrefix(key, "/blue/election/x/") && !strings.HasPrefix(key, "/green/election/x/") && key != "/blue/decided" &&
			key != "/green/decided" {
			t.Errorf("there is a key %s", key)
		}
	}
}

// A contact asks past its client. An etcd that lets its user read one prefix answers there alone.
func TestAContactAsksUnderThePrefix(t *testing.T) {
	t.Parallel()
	authority := tlstest.New(t)
	server := etcdtest.StartSecure(t, authority.Issue("member"))
	root, user := authority.Issue("root"), authority.Issue("blue")
	dial := func(files tlsfiles.Files, prefix string, metrics *etcdkv.Metrics) *clientv3.Client {
		client, err := etcdkv.Dial(etcdkv.Config{Endpoints: server.Endpoints, TLS: files, Prefix: prefix, Metrics: metrics})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		return client
	}
	admin := dial(root, "", nil)
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"root", "blue"} {
		must(admin.RoleAdd(t.Context(), name))
		must(admin.UserAddWithOptions(t.Context(), name, "", &clientv3.UserAddOptions{NoPassword: true}))
		must(admin.UserGrantRole(t.Context(), name, name))
	}
	read := clientv3.PermissionType(clientv3.PermRead)
	must(admin.RoleGrantPermission(t.Context(), "blue", "/blue/", clientv3.GetPrefixRangeEnd("/blue/"), read))
	must(admin.AuthEnable(t.Context()))

	for _, c := range []struct {
		prefix string
		denied bool
	}{{prefix: "/blue/"}, {prefix: "/green/", denied: true}} {
		metrics, lines := prometheus.NewRegistry(), make(logLines, 100)
		contact := etcdkv.NewHealthProbe(dial(user, c.prefix, etcdkv.NewMetrics(metrics)), "t/", slog.New(slog.NewTextHandler(lines, nil)))
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); _ = contact.Run(ctx) }()
		if c.denied {
			lines.next(t, "level=WARN", "permission denied")
		} else {
			asked(t, metrics)
		}
		cancel()
		<-done
	}
}
