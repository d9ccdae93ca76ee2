package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/rpc"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

const electionTTL = 2 * time.Second

// TestADeposedLeaderDecidesNothing freezes the leader for longer than its lease lasts, in the middle of a rollout, and thaws it when
// another replica has decided. It must learn that it was replaced, and until then write nothing.
func TestADeposedLeaderDecidesNothing(t *testing.T) {
	chance := draw(t)
	etcd := etcdtest.Start(t)
	f := process.StartFleet(t, binaries, etcd.Endpoints, process.Config{
		Registries: 1, Translators: 1, Distributors: 3, Gateways: 3, DistributorFlags: []string{"--election-ttl=" + electionTTL.String()},
	})
	cli := f.CLI()
	if r := cli.Run(t, "apply", "-g", process.Group, "--wait", write(t, document(0))); r.Code != 0 {
		t.Fatalf("the first apply: %+v", r)
	}
	watch(t, f)
	when := chance.Perm(3) // each moment once in three rounds
	for round := 1; round <= 3*rounds(); round++ {
		old := leader(t, f.Distributors)
		before := assignment(t, old)
		k := cli.Start(t, nil, "apply", "-g", process.Group, write(t, document(round)))
		switch when[round%len(when)] {
		case 0: // before it hears of the revision, or while it opens the rollout
		case 1:
			k.WaitFor("committed")
		case 2:
			process.Eventually(t, convergeTime, "the leader has decided", func() error {
				if now := assignment(t, old); now.GetDecision() == before.GetDecision() {
					return errors.New("no decision yet")
				}
				return nil
			})
		}
		old.Freeze()
		var others []*process.Service
		for _, d := range f.Distributors {
			if d != old {
				others = append(others, d)
			}
		}
		successor := leader(t, others)
		process.Eventually(t, convergeTime, "the successor decides", func() error {
			now := assignment(t, successor)
			if now.GetTerm() <= before.GetTerm() && now.GetCandidateRevision() != 0 {
				return fmt.Errorf("term %d, decision %d", now.GetTerm(), now.GetDecision())
			}
			return nil
		})
		old.Thaw()
		if r := k.Wait(); r.Code != 0 {
			t.Fatalf("round %d: apply ended with %+v", round, r)
		}
		serving(t, f, int64(round)+1, round)
		process.Eventually(t, convergeTime, "one replica leads", func() error {
			n := 0
			for _, d := range f.Distributors {
				if leads(d) {
					n++
				}
			}
			if n != 1 {
				return fmt.Errorf("%d replicas say that they lead", n)
			}
			return nil
		})
		// Every replica, the deposed one included, shows the same decision, of a later term.
		var decided *distributorv1.Assignment
		process.Eventually(t, convergeTime, "all replicas agree", func() error {
			// A rollout that is not complete when the next revision comes would send nodes back to the stable revision before it.
			if decided = assignment(t, successor); decided.GetRollout() != "" {
				return errors.New("the rollout is under way")
			}
			for _, d := range f.Distributors {
				if got := assignment(t, d); got.GetDecision() != decided.GetDecision() || got.GetTerm() < before.GetTerm() {
					return fmt.Errorf("%s shows decision %d of term %d, want %d of term %d", d.Name, got.GetDecision(), got.GetTerm(),
						decided.GetDecision(), decided.GetTerm())
				}
			}
			return nil
		})
		t.Logf("round %d: %s was frozen in term %d, %s decided in term %d", round, old.Name, before.GetTerm(), successor.Name, decided.GetTerm())
	}
	decisions(t, etcd)
}

// leads reports whether a replica says that it leads.
func leads(s *process.Service) bool {
	_, body, err := process.Get("http://" + s.HTTP + "/metrics")
	return err == nil && strings.Contains(string(body), "\nsilverback_leader 1\n")
}

// leader waits for one of the replicas to lead.
func leader(t *testing.T, among []*process.Service) *process.Service {
	t.Helper()
	var found *process.Service
	process.Eventually(t, convergeTime, "a replica leads", func() error {
		for _, d := range among {
			if leads(d) {
				found = d
				return nil
			}
		}
		return errors.New("nobody leads")
	})
	return found
}

// assignment asks one replica what the group should run.
func assignment(t *testing.T, s *process.Service) *distributorv1.Assignment {
	t.Helper()
	conn, err := rpc.Dial(rpc.ClientConfig{Addresses: []string{s.GRPC}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	answer, err := distributorv1.NewRolloutServiceClient(conn).GetAssignment(ctx, &distributorv1.GetAssignmentRequest{Group: process.Group})
	if err != nil {
		t.Fatalf("ask %s for the assignment: %v", s.Name, err)
	}
	return answer.GetAssignment()
}
