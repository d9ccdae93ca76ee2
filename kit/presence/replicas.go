package presence

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/clean"
)

// A Mark is the value of the marker: which restore has begun.
type Mark struct {
	Backup  string    `json:"backup"` // its id
	File    string    `json:"file"`
	Time    time.Time `json:"time"` // when it began
	Run     string    `json:"run"`  // random, of the process that restores
	Replace bool      `json:"replace,omitempty"`
}

// Unfinished returns the restore that has begun and has not ended, with the etcd revision of its marker; false without one.
func Unfinished(ctx context.Context, kv clientv3.KV) (m Mark, at int64, there bool, err error) {
	answer, err := kv.Get(ctx, Registry.Marker())
	if err != nil || len(answer.Kvs) == 0 {
		return m, 0, false, err
	}
	// A marker that cannot be read is one of a version to come.
	_ = json.Unmarshal(answer.Kvs[0].Value, &m)
	return m, answer.Kvs[0].ModRevision, true, nil
}

// A Replica is one that uses the ledger.
type Replica struct {
	Name string // with its service, for people
	// Ends is true when it was asked to stop, or is known only by the sessions that it holds: it is soon gone.
	Ends bool
}

// Replicas returns who uses the ledger.
func Replicas(ctx context.Context, kv clientv3.KV) ([]Replica, error) {
	ops := make([]clientv3.Op, 0, len(Parts)+2)
	for _, p := range Parts {
		ops = append(ops, clientv3.OpGet(p.replicas(), clientv3.WithPrefix()))
	}
	ops = append(ops, clientv3.OpGet(electionPrefix, clientv3.WithPrefix()),
		clientv3.OpGet(sessionsPrefix, clientv3.WithPrefix(), clientv3.WithKeysOnly(), clientv3.WithLimit(1)))
	answer, err := kv.Txn(ctx).Then(ops...).Commit()
	if err != nil {
		return nil, fmt.Errorf("look for replicas of the services: %w", err)
	}
	var all []Replica
	named := map[string]bool{}
	for i, p := range Parts {
		for _, kv := range answer.Responses[i].GetResponseRange().GetKvs() {
			var r record
			_ = json.Unmarshal(kv.Value, &r)
			named[r.Replica], named[p.service()] = true, true
			all = append(all, Replica{p.service() + " " + name(r.Replica, string(kv.Key)), r.Stops})
		}
	}
	for _, kv := range answer.Responses[len(Parts)].GetResponseRange().GetKvs() {
		if who := string(kv.Value); !named[who] {
			all = append(all, Replica{Name: "distributor " + name(who, string(kv.Key))})
		}
	}
	if sessions := answer.Responses[len(Parts)+1].GetResponseRange(); len(sessions.GetKvs()) > 0 && !named[Registry.service()] {
		all = append(all, Replica{fmt.Sprintf("a registry (it holds the sessions of nodes, such as %s)",
			clean.Line(strings.TrimPrefix(string(sessions.GetKvs()[0].Key), sessionsPrefix), clean.MaxWord)), true})
	}
	return all, nil
}

func name(replica, key string) string {
	if replica == "" {
		replica = key
	}
	return clean.Line(replica, clean.MaxWord)
}
