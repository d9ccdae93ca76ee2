package presence_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/presence"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
	"github.com/silverback-gateway/silverback/testkit/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

const patience = time.Minute

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start runs a replica, and returns how it ended and what stops it.
func start(t *testing.T, client *clientv3.Client, part presence.Part, name string) (ended <-chan error, stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- presence.New(client, part, name, slog.New(slog.DiscardHandler)).Run(ctx, func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
	}()
	return done, cancel
}

func await(t *testing.T, client *clientv3.Client, what string, is func([]presence.Replica) bool) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		all, err := presence.Replicas(t.Context(), client)
		must(t, err)
		if is(all) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %+v", what, all)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// mark writes the marker as a restore does, and reports whether it could.
func mark(t *testing.T, client *clientv3.Client) bool {
	t.Helper()
	var ops []clientv3.Op
	for _, p := range presence.Parts {
		ops = append(ops, clientv3.OpPut(p.Marker(), `{"backup":"0123456789abcdef","file":"monday"}`))
	}
	answer, err := client.Txn(t.Context()).If(presence.Nobody()...).Then(ops...).Commit()
	must(t, err)
	return answer.Succeeded
}

// A restore and replicas keep each other out, whoever comes first, for each service.
func TestARestoreAndReplicasKeepEachOtherOut(t *testing.T) {
	client := etcdtest.Client(t)
	for i, part := range presence.Parts {
		ended, stop := start(t, client, part, fmt.Sprintf("r-%d", i))
		await(t, client, "the replica is announced", func(all []presence.Replica) bool {
			return slices.ContainsFunc(all, func(r presence.Replica) bool {
				return strings.HasSuffix(r.Name, fmt.Sprintf("or r-%d", i)) || strings.HasSuffix(r.Name, fmt.Sprintf("ry r-%d", i))
			})
		})
		if mark(t, client) {
			t.Fatalf("a restore begins beside a replica under %s", part)
		}
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
		await(t, client, "it is known that it stops", func(all []presence.Replica) bool {
			return len(all) == 1 && all[0].Ends
		})
		if mark(t, client) {
			t.Fatalf("a restore begins beside a replica under %s that may still answer calls", part)
		}
		leases, err := client.Leases(t.Context())
		must(t, err)
		for _, l := range leases.Leases {
			_, _ = client.Revoke(t.Context(), l.ID)
		}
	}
	if !mark(t, client) {
		t.Fatal("no restore begins although nobody is there")
	}
	if m, _, is, err := presence.Unfinished(t.Context(), client); err != nil || !is || m.File != "monday" {
		t.Errorf("%+v, %v, %v", m, is, err)
	}
	for _, part := range presence.Parts {
		ended, stop := start(t, client, part, "late")
		select {
		case err := <-ended:
			if !errors.Is(err, presence.ErrUnfinished) || !strings.Contains(err.Error(), `backup 0123456789ab in "monday"`) ||
				!strings.Contains(err.Error(), "silverback restore") {
				t.Errorf("under %s it ended with %v", part, err)
			}
		case <-time.After(patience):
			t.Errorf("under %s a replica runs in a restore", part)
		}
		stop()
	}
}

// A replica that was away for so long that its lease ended finds the marker when it is back.
func TestAReplicaThatWasAwayEnds(t *testing.T) {
	client := etcdtest.Client(t)
	ended, stop := start(t, client, presence.Translator, "t-1")
	defer stop()
	await(t, client, "the replica is announced", func(all []presence.Replica) bool { return len(all) == 1 })
	leases, err := client.Leases(t.Context())
	must(t, err)
	for _, l := range leases.Leases {
		_, err := client.Revoke(t.Context(), l.ID)
		must(t, err)
	}
	if !mark(t, client) {
		t.Fatal("the replica still counts")
	}
	select {
	case err := <-ended:
		if !errors.Is(err, presence.ErrUnfinished) {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(patience):
		t.Error("it runs on")
	}
}

// Replicas of a version that announces nothing are known by what else they hold.
func TestReplicasOfAnEarlierVersionAreFound(t *testing.T) {
	client := etcdtest.Client(t)
	for key, want := range map[string]string{"election/distributor/1f": "distributor d-1", "identity/sessions/edge/gw-1": "edge/gw-1"} {
		_, err := client.Put(t.Context(), key, "d-1")
		must(t, err)
		all, err := presence.Replicas(t.Context(), client)
		if err != nil || len(all) != 1 || !strings.Contains(all[0].Name, want) || mark(t, client) {
			t.Errorf("with %s there are %+v, %v", key, all, err)
		}
		_, err = client.Delete(t.Context(), key)
		must(t, err)
	}
}
