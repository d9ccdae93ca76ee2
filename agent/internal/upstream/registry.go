package upstream

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"

	"github.com/silverback-gateway/silverback/agent/internal/board"
	"github.com/silverback-gateway/silverback/agent/internal/drift"
	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/agent/internal/health"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kong/proof"
)

// Member keeps a node enrolled at a registry.
type Member struct {
	Identity Identity
	Dial     Dial
	Board    *board.Board
	Log      *slog.Logger
	// Capabilities says what the gateway is; false while it did not answer.
	Capabilities func() (gateway.Capabilities, bool)
	Form         *proof.Form // nil: the best that the gateway allows
	LoadTimeout  time.Duration
	SetPolicy    func(drift.Policy)
	SetProbes    func([]health.Probe) // nil: none are asked
	Drains       *Drains              // nil: the registry's word about draining is not heard
	Schemas      schemas              // nil: of schemas nothing is said
	Unmanaged    unmanaged            // nil: of what somebody else gave the gateway nothing is said
}

// schemas knows by which schemas the gateway judges configurations.
type schemas interface {
	// Digest returns the digest of their bundle, empty when there is none, and whether that is worth telling yet.
	Digest(judge string) (digest string, settled bool)
	// Wanted says that the registry wants the bundle. It never blocks.
	Wanted(upload func(ctx context.Context, digest string, zstd []byte) error)
}

const (
	callTimeout = 5 * time.Second
	// hurry is within what time news is told; spread, so that a fleet that moves together does not call together.
	hurry = time.Second
	// defaultRenewal is for a registry that does not say.
	defaultRenewal = 5 * time.Second
	leaveTimeout   = 2 * time.Second
)

// The conditions of a member.
const (
	nameTaken           = "NodeNameTaken"
	groupMissing        = "GroupMissing"
	registryUnreachable = "RegistryUnreachable"
)

// Run keeps the node enrolled until ctx ends, and says goodbye then.
func (m *Member) Run(ctx context.Context) error {
	conn, err := m.Dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	s := &session{Member: m, client: registryv1.NewRegistryServiceClient(conn), since: time.Now()}
	defer s.bringing.Wait() // they end with ctx
	for {
		wait := s.step(ctx)
		if ctx.Err() != nil {
			s.leave(ctx)
			return context.Cause(ctx)
		}
		s.rest(ctx, wait)
	}
}

// session is what one run of a member remembers.
type session struct {
	*Member
	client   registryv1.RegistryServiceClient
	enrolled bool
	failures int
	since    time.Time // of the last success
	interval time.Duration
	told     *fleetv1.NodeStatus
	brought  brought
	bringing sync.WaitGroup
	judge    string // fingerprint of the capabilities that were told, and the digest of the schemas
}

// step calls once, and says how long to rest.
func (s *session) step(life context.Context) time.Duration {
	ctx, cancel := context.WithTimeout(life, callTimeout)
	defer cancel()
	c, digest, judge := s.capabilities()
	var err error
	if s.enrolled && (judge == s.judge || judge == "") {
		err = s.renew(ctx)
	} else if err = s.enrol(ctx, c, digest, judge != ""); err == nil {
		s.judge = judge
	}
	if err == nil {
		s.taken(false)
		noteRevoked(s.Board, s.Log, s.Identity, "registry", nil)
		s.failures, s.since = 0, time.Now()
		s.bringInventory(ctx)
		s.bringConfiguration(life)
		for _, kind := range []string{nameTaken, groupMissing, registryUnreachable} {
			s.Board.Clear(kind)
		}
		return s.interval - rand.N(s.interval/5+1)
	}
	s.failures++
	if noteRevoked(s.Board, s.Log, s.Identity, "registry", err) {
		s.lose()
		return afterRefusal()
	}
	code := status.Code(err)
	switch {
	case code == codes.NotFound && s.enrolled:
		s.lose()
		return rand.N(firstWait) // enrol again
	case code == codes.NotFound:
		s.Board.Raise(groupMissing, "the registry does not know the group "+string(s.Identity.Group), time.Now())
	case code == codes.AlreadyExists:
		s.lose()
		s.taken(true)
		s.Board.Raise(nameTaken, "another agent is enrolled under the name "+string(s.Identity.Node)+
			": give each agent of a group its own --node", time.Now())
	case time.Since(s.since) > patience:
		s.Board.Raise(registryUnreachable, "the registry cannot be reached: "+reason(err), time.Now())
	}
	s.Log.Debug("call to the registry failed", "error", err)
	return jittered(s.failures, firstWait)
}

// taken notes whether another agent has the node's name. While it has, this one takes no directives and its gateway gets no traffic: which
// of the two gateways is meant nobody knows.
func (s *session) taken(is bool) {
	if is == s.Board.View().NameTaken {
		return
	}
	s.Board.Update(func(v *board.View) { v.NameTaken = is })
	if is {
		s.Log.Warn("another agent is enrolled under this node's name; this one is not ready until it has a name of its own (--node), or the "+
			"other one is gone",
			telemetry.Group, s.Identity.Group, telemetry.Node, s.Identity.Node)
	} else {
		s.Log.Info("the node's name is this agent's again", telemetry.Group, s.Identity.Group, telemetry.Node, s.Identity.Node)
	}
}

// capabilities returns what the gateway is, the digest of its schemas, and a fingerprint of both; an empty one says that they are not known
// yet. A gateway that has just become another one is not told of before its schemas were tried to be read.
func (s *session) capabilities() (c gateway.Capabilities, digest, judge string) {
	c, known := s.Capabilities()
	if !known {
		return c, "", ""
	}
	judge = c.Fingerprint()
	if s.Schemas == nil {
		return c, "", judge
	}
	digest, settled := s.Schemas.Digest(judge)
	if !settled {
		return c, "", ""
	}
	return c, digest, judge + " " + digest
}

func (s *session) enrol(ctx context.Context, c gateway.Capabilities, digest string, known bool) error {
	view := s.Board.View()
	req := &registryv1.EnrolNodeRequest{
		Group: string(s.Identity.Group), Node: string(s.Identity.Node), BootId: s.Identity.BootID, SucceedsBootId: s.Identity.Succeeds,
		Labels:       s.Identity.Labels,
		AgentVersion: s.Identity.Version, ProxyAddress: s.Identity.ProxyAddress, AgentAddress: s.Identity.HTTPAddress, Status: nodeStatus(view),
	}
	if known {
		req.Capabilities = capabilities(c, c.Form(s.Form), s.LoadTimeout)
		req.Capabilities.SchemaDigest = digest
	}
	resp, err := s.client.EnrolNode(ctx, req)
	if err != nil {
		return err
	}
	s.enrolled, s.told = true, req.GetStatus()
	s.take(resp.GetRenewInterval().AsDuration(), resp.GetDrift())
	s.balance(resp, resp.GetProbes(), true)
	s.give(resp.GetWantSchemas())
	s.Board.Update(func(v *board.View) { v.Enrolled = true })
	return nil
}

func (s *session) renew(ctx context.Context) error {
	req := &registryv1.RenewNodeRequest{Group: string(s.Identity.Group), Node: string(s.Identity.Node), BootId: s.Identity.BootID}
	current := nodeStatus(s.Board.View())
	if s.told == nil || !proto.Equal(current, s.told) {
		req.Status = current
	}
	resp, err := s.client.RenewNode(ctx, req)
	if err != nil {
		s.told = nil // another replica may answer next
		return err
	}
	s.told = current
	if resp.GetWantStatus() {
		s.told = nil
	}
	s.take(resp.GetRenewInterval().AsDuration(), resp.GetDrift())
	s.balance(resp, resp.GetProbes(), false)
	s.give(resp.GetWantSchemas())
	s.brought.wanted = resp.GetWantConfiguration()
	return nil
}

// balance takes what the registry says about load balancing.
func (s *session) balance(t told, probes []*fleetv1.Probe, enrolment bool) {
	if s.SetProbes != nil {
		s.SetProbes(probesOf(probes))
	}
	if s.Drains != nil {
		s.Drains.Obey(orderOf(t), enrolment)
	}
}

// give has the schemas uploaded, in their own time, when the registry wants them.
func (s *session) give(wanted bool) {
	if !wanted || s.Schemas == nil {
		return
	}
	s.Schemas.Wanted(func(ctx context.Context, digest string, zstd []byte) error {
		_, err := s.client.UploadSchemas(ctx, &registryv1.UploadSchemasRequest{
			Group: string(s.Identity.Group), Node: string(s.Identity.Node), Digest: digest, Zstd: zstd,
		})
		return err
	})
}

func (s *session) take(interval time.Duration, policy fleetv1.DriftPolicy) {
	if interval <= 0 {
		interval = defaultRenewal
	}
	s.interval = interval
	if s.told == nil {
		s.interval = min(interval, hurry)
	}
	s.SetPolicy(policyOf(policy))
}

func (s *session) lose() {
	s.enrolled, s.told = false, nil
	s.Board.Update(func(v *board.View) { v.Enrolled = false })
}

// rest waits, but less when there is news that operators wait for.
func (s *session) rest(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	end := time.Now().Add(wait)
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-s.Board.Changed():
			soon := rand.N(hurry)
			if s.told != nil && s.told.GetDraining() != s.Board.View().Draining {
				soon = 0 // somebody waits for just that, or the agent is about to stop
			}
			if s.failures == 0 && s.news() && time.Until(end) > soon {
				end = time.Now().Add(soon)
				timer.Reset(soon)
			}
		}
	}
}

// news says whether something changed that the registry should not learn at the next renewal only.
func (s *session) news() bool {
	if !s.enrolled {
		return false
	}
	if _, _, judge := s.capabilities(); judge != "" && judge != s.judge {
		return true
	}
	return s.told == nil || !proto.Equal(nodeStatus(s.Board.View()), s.told)
}

// leave says goodbye, so that the node is not missed and its name is free.
func (s *session) leave(ctx context.Context) {
	if !s.enrolled {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	_, err := s.client.RenewNode(ctx, &registryv1.RenewNodeRequest{
		Group: string(s.Identity.Group), Node: string(s.Identity.Node), BootId: s.Identity.BootID, Leaving: true,
	}, grpc.WaitForReady(false))
	if err != nil {
		s.Log.Debug("goodbye to the registry failed", "error", err)
	}
}
