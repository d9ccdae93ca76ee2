package distributor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/testkit/agenttest"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

var errKilled = errors.New("this replica was killed")

// mortals is a control plane whose leader can be killed at a step of what it does. A step is a decision that is written, a call that pins
// sources, or the answer to that call. A killed replica reaches neither etcd nor the translator, and resigns nothing: its lease runs out.
type mortals struct {
	*controlPlane
	server *etcdtest.Server

	mu      sync.Mutex
	live    []*mortal
	started int
	at      int      // the leader is killed at this step; 0: at none
	steps   []string // that were begun since the last call of killAt
}

// A mortal is a replica that can be killed.
type mortal struct {
	*replica
	all  *mortals
	way  *etcdtest.Cut
	dead chan struct{}
}

func newMortals(t *testing.T) *mortals {
	t.Helper()
	server := etcdtest.Start(t)
	m := &mortals{controlPlane: newControlPlaneAt(t, server.Client(t)), server: server}
	m.electionTTL = 2 * time.Second
	m.fill()
	return m
}

// fill starts replicas until there are two.
func (m *mortals) fill() {
	for m.count() < 2 {
		m.started++
		r := &mortal{all: m, way: m.server.Cut(m.t), dead: make(chan struct{})}
		etcd := r.way.Client(m.t)
		etcd.KV = mortalKV{etcd.KV, r}
		r.replica = m.replicaWith(fmt.Sprintf("r%d", m.started), etcd, mortalTranslator{m.upstream.Translator(), r})
		m.mu.Lock()
		m.live = append(m.live, r)
		m.mu.Unlock()
	}
}

func (m *mortals) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.live)
}

// any returns a replica that lives.
func (m *mortals) any() *replica {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.live[len(m.live)-1].replica
}

// killAt has the leader killed at its n-th step from now on, before anything comes of that step; 0 ends that.
func (m *mortals) killAt(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at, m.steps = n, nil
}

// taken returns the steps since killAt. The last is the one that the leader died at, when it was killed.
func (m *mortals) taken() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.steps)
}

// step fails when the replica is dead, or dies at this step.
func (r *mortal) step(name string) error {
	r.all.mu.Lock()
	defer r.all.mu.Unlock()
	select {
	case <-r.dead:
		return errKilled
	default:
	}
	if name == "" {
		return nil
	}
	r.all.steps = append(r.all.steps, name)
	if len(r.all.steps) != r.all.at {
		return nil
	}
	close(r.dead)
	r.way.Sever()
	r.all.live = slices.DeleteFunc(r.all.live, func(other *mortal) bool { return other == r })
	go r.stop()
	return errKilled
}

// mortalKV is the way of a replica to etcd.
type mortalKV struct {
	clientv3.KV
	r *mortal
}

func (k mortalKV) Txn(ctx context.Context) clientv3.Txn {
	return &mortalTxn{Txn: k.KV.Txn(ctx), r: k.r}
}

type mortalTxn struct {
	clientv3.Txn
	r    *mortal
	name string
}

func (x *mortalTxn) If(cs ...clientv3.Cmp) clientv3.Txn { x.Txn = x.Txn.If(cs...); return x }

func (x *mortalTxn) Else(ops ...clientv3.Op) clientv3.Txn { x.Txn = x.Txn.Else(ops...); return x }

func (x *mortalTxn) Then(ops ...clientv3.Op) clientv3.Txn {
	for _, op := range ops {
		if !op.IsPut() || !strings.HasPrefix(string(op.KeyBytes()), "decided/rollouts/") {
			continue
		}
		var record struct {
			Value struct {
				State     string
				Candidate struct{ Revision int64 }
				Pinning   *struct{ Done bool }
			}
		}
		if err := json.Unmarshal(op.ValueBytes(), &record); err != nil {
			x.r.all.t.Error(err)
		}
		x.name = record.Value.State
		if p := record.Value.Pinning; p != nil && p.Done {
			x.name = "pins recorded"
		}
	}
	x.Txn = x.Txn.Then(ops...)
	return x
}

func (x *mortalTxn) Commit() (*clientv3.TxnResponse, error) {
	if err := x.r.step(x.name); err != nil {
		return nil, err
	}
	return x.Txn.Commit()
}

// mortalTranslator is the way of a replica to the translator.
type mortalTranslator struct {
	translatorv1.TranslatorServiceClient
	r *mortal
}

func (m mortalTranslator) RestoreSources(ctx context.Context, request *translatorv1.RestoreSourcesRequest, opts ...grpc.CallOption) (
	*translatorv1.RestoreSourcesResponse, error) {
	if err := m.r.step("pins called for"); err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	answer, err := m.TranslatorServiceClient.RestoreSources(ctx, request, opts...)
	if died := m.r.step("pins answered"); died != nil {
		return nil, status.Error(codes.Unavailable, died.Error())
	}
	return answer, err
}

// A group gets one bad revision after the other, and the leader is killed at the first step of what follows, then at the second, and so on.
// Each time another replica finishes: the candidate reaches the first wave alone, its source is pinned once, and the group goes on.
func TestTheLeaderIsKilledAtEachStep(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy *fleetv1.RolloutPolicy
		ends   distributorv1.Rollout_State
		harms  bool // gateways accept what is bad
	}{
		{name: "of a refusal", policy: &fleetv1.RolloutPolicy{OnReject: fleetv1.RolloutPolicy_ON_REJECT_PIN}, ends: halted},
		{name: "of a failed gate", policy: gated(nil), ends: rolledBack, harms: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMortals(t)
			m.upstream.Group("g", tt.policy)
			m.upstream.Origins = []*translatorv1.LocateEntitiesResponse_Origin{{
				Entity: &translatorv1.EntityRef{Kind: "route", Name: "route-000000"}, Source: "team-a", Document: "team-a.yaml", Line: 14,
			}}
			x, refused := newTraffic(400), sync.Map{}
			var agents []*agenttest.Agent
			for i := range 3 {
				agents = append(agents, m.agent(agenttest.Config{
					Node: fmt.Sprintf("n%d", i), Conn: func() grpc.ClientConnInterface { return m.any().conn }, Evidence: x.of, Problems: refusedRoute,
					Hello: func(h *distributorv1.Hello) { h.ReportsEvidence = true },
					Answer: func(_ []byte, d *distributorv1.Directive) agenttest.Verdict {
						if _, bad := refused.Load(d.GetDigest()); bad {
							return agenttest.Nack
						}
						return agenttest.Ack
					},
				}, nil))
			}
			good := m.revise("")
			eventually(t, "revision 1 is complete", func() bool { return m.any().rollout(1).GetState() == completed })
			var died []string
			for at := 1; ; at++ {
				bad := m.snapshot(20, fmt.Sprint("-bad-", at))
				if tt.harms {
					x.breaks(bad)
				} else {
					refused.Store(string(bad), true)
				}
				m.killAt(at)
				n := m.upstream.Revise("g", bad)
				m.finishes(t, n, tt.ends)
				steps := m.taken()
				m.killAt(0)
				for i, a := range agents {
					eventually(t, "every agent serves the good content", func() bool {
						return a.Serving().Digest == good && a.Serving().Revision == fleet.Revision(n+1)
					})
					told := slices.ContainsFunc(a.History(), func(s agenttest.Seen) bool { return s.Digest == bad })
					if is := fmt.Sprint("n", i) == first("g", 3); told != is {
						t.Errorf("killed at step %d: n%d was given the candidate: %v, want %v", at, i, told, is)
					}
				}
				if asked := m.upstream.Restored(); len(asked) != at {
					t.Errorf("killed at step %d: %d pinnings after %d bad revisions: %v", at, len(asked), at, asked)
				}
				if m.count() == 2 {
					break // there was no such step
				}
				died = append(died, steps[at-1])
				m.fill()
			}
			t.Logf("the leader was killed at %q", died)
			for _, name := range []string{"progressing", strings.ReplaceAll(strings.ToLower(tt.ends.String()[len("STATE_"):]), " ", "_"),
				"pins called for", "pins answered", "pins recorded", "completed"} {
				if !slices.Contains(died, name) {
					t.Errorf("the leader was never killed when it was to be %q", name)
				}
			}
		})
	}
}

// finishes waits until a bad revision has ended as it should, its source is pinned and the revision with the pin is complete.
func (m *mortals) finishes(t *testing.T, bad int64, ends distributorv1.Rollout_State) {
	t.Helper()
	eventually(t, fmt.Sprintf("revision %d is %s, and team-a is pinned by revision %d", bad, ends, bad+1), func() bool {
		r := m.any().rollout(bad)
		return r.GetState() == ends && fmt.Sprint(r.GetPinnedSources()) == "[team-a]" && r.GetPinnedRevision() == bad+1 &&
			m.any().rollout(bad+1).GetState() == completed
	})
	// Events come with decisions, so each is told once, whoever died.
	want := map[distributorv1.Rollout_State]string{
		halted:     "RevisionCommitted RolloutStarted WaveStarted NodeRefused RolloutHalted",
		rolledBack: "RevisionCommitted RolloutStarted WaveStarted GateFailed RolloutRolledBack",
	}[ends]
	all := m.any().listed(t, &distributorv1.ListEventsRequest{})
	if got := told(all, ofRevision(bad)); got != want {
		t.Errorf("of revision %d is told\n%s, want\n%s", bad, got, want)
	}
	if got := told(all, ofRevision(bad+1)); strings.Count(got, "SourcePinned") != 1 || strings.Count(got, "RolloutCompleted") != 1 {
		t.Errorf("of the pinned revision %d is told %s", bad+1, got)
	}
	if r := m.any().rollout(bad); ends == halted && (len(r.GetRefusals()) != 1 || r.GetRefusals()[0].GetProblem().GetLine() != 14) {
		t.Errorf("the refusals of revision %d are %v", bad, r.GetRefusals())
	} else if ends == rolledBack && !strings.Contains(r.GetReason(), "gate error-ratio failed in wave 1 of 2") {
		t.Errorf("the reason of revision %d is %q", bad, r.GetReason())
	}
}
