package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// What etcd holds of decisions and of who may make them. The tests look past the services here, for it is the services that are judged.
const (
	ledgerPrefix   = "/silverback/v1/"
	decidedPrefix  = ledgerPrefix + "decided/"
	electionPrefix = ledgerPrefix + "election/distributor/"
	endKey         = ledgerPrefix + "end-of-test"
)

// A change is one write to etcd.
type change struct {
	key     string
	value   []byte
	created int64 // the etcd revision at which the key was made; 0 is a deletion
}

// decisions reads all that was ever written and fails the test when a decision was not that of the leader of its moment.
func decisions(t *testing.T, etcd *etcdtest.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := etcd.Client(t)
	if _, err := client.Put(ctx, endKey, ""); err != nil {
		t.Fatal(err)
	}
	var all []change
	for answer := range client.Watch(ctx, ledgerPrefix, clientv3.WithPrefix(), clientv3.WithRev(1)) {
		if err := answer.Err(); err != nil {
			t.Fatalf("read the history of etcd: %v", err)
		}
		for _, e := range answer.Events {
			if string(e.Kv.Key) == endKey {
				report(t, all)
				return
			}
			all = append(all, changeOf(e))
		}
	}
	t.Fatal("the history of etcd has no end")
}

// watchLedger collects every write to etcd from now on, whatever is compacted later. What it returns judges them.
func watchLedger(t *testing.T, etcd *etcdtest.Server) (judged func(*testing.T)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	client := etcd.Client(t)
	done := make(chan struct{})
	var all []change
	var broke error
	go func() {
		defer close(done)
		for answer := range client.Watch(ctx, ledgerPrefix, clientv3.WithPrefix(), clientv3.WithRev(1)) {
			if broke = answer.Err(); broke != nil {
				return
			}
			for _, e := range answer.Events {
				if string(e.Kv.Key) == endKey {
					return
				}
				all = append(all, changeOf(e))
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return func(t *testing.T) {
		t.Helper()
		if _, err := client.Put(ctx, endKey, ""); err != nil {
			t.Fatal(err)
		}
		<-done
		if broke != nil {
			t.Fatalf("the history of etcd is not whole: %v", broke)
		}
		report(t, all)
	}
}

func changeOf(e *clientv3.Event) change {
	w := change{key: string(e.Kv.Key), value: e.Kv.Value, created: e.Kv.CreateRevision}
	if e.Type == clientv3.EventTypeDelete {
		w.created = 0
	}
	return w
}

// report fails the test when a decision was not that of the leader of its moment.
func report(t *testing.T, all []change) {
	t.Helper()
	n, problems := judge(all)
	for _, p := range problems {
		t.Error(p)
	}
	t.Logf("%d decisions, each by the leader of its moment: %v", n, len(problems) == 0)
	if n == 0 {
		t.Error("no decision was found in etcd")
	}
}

// judge returns how many decisions there are, and those that were not the leader's. The leader is who holds the oldest key of the election,
// and its term is the revision at which the key was made.
func judge(all []change) (n int, problems []string) {
	candidates := map[string]int64{}
	last := int64(0)
	for _, w := range all {
		switch {
		case strings.HasPrefix(w.key, electionPrefix):
			if candidates[w.key] = w.created; w.created == 0 {
				delete(candidates, w.key)
			}
		case isDecision(w.key) && w.created != 0:
			n++
			var record struct{ Value struct{ Term int64 } }
			if err := json.Unmarshal(w.value, &record); err != nil {
				problems = append(problems, fmt.Sprintf("%s: %v", w.key, err))
				continue
			}
			leader := int64(0)
			for _, term := range candidates {
				if leader == 0 || term < leader {
					leader = term
				}
			}
			term := record.Value.Term
			if term != leader {
				problems = append(problems, fmt.Sprintf("%s was decided in term %d, while term %d was under way", w.key, term, leader))
			}
			if term < last {
				problems = append(problems, fmt.Sprintf("%s was decided in term %d after term %d", w.key, term, last))
			}
			last = term
		}
	}
	return n, problems
}

// isDecision reports whether a key holds what a leader decides. Any replica writes orders and what is told of them.
func isDecision(key string) bool {
	return strings.HasPrefix(key, decidedPrefix+"assignments/") || strings.HasPrefix(key, decidedPrefix+"rollouts/")
}

func TestJudge(t *testing.T) {
	decision := func(term int) change {
		return change{key: decidedPrefix + "assignments/default", value: fmt.Appendf(nil, `{"v":1,"value":{"term":%d}}`, term), created: 9}
	}
	candidate := func(name string, created int64) change { return change{key: electionPrefix + name, created: created} }
	for _, tt := range []struct {
		name   string
		writes []change
		want   int
	}{
		{name: "the leader decides", writes: []change{candidate("a", 3), candidate("b", 4), decision(3)}},
		{name: "the next leader decides", writes: []change{candidate("a", 3), candidate("b", 4), decision(3), candidate("a", 0), decision(4)}},
		{name: "a deposed leader decides", writes: []change{candidate("a", 3), candidate("b", 4), candidate("a", 0), decision(3)}, want: 1},
		{name: "a deposed leader decides after the next", writes: []change{candidate("a", 3), candidate("b", 4), candidate("a", 0), decision(4),
			decision(3)}, want: 2},
		{name: "an operator's order", writes: []change{candidate("a", 3), decision(3),
			{key: decidedPrefix + "orders/default", value: []byte("{}"), created: 9}}},
		{name: "a candidate decides", writes: []change{candidate("a", 3), candidate("b", 4), decision(4)}, want: 1},
	} {
		if _, problems := judge(tt.writes); len(problems) != tt.want {
			t.Errorf("%s: %q", tt.name, problems)
		}
	}
}
