package upstream

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"

	"github.com/silverback-gateway/silverback/agent/internal/drift"
	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/agent/internal/status"
	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/kit/wire"
	"github.com/silverback-gateway/silverback/kong/proof"
)

// RegistryClient keeps a node enrolled at a registry.
type RegistryClient struct {
	Identity Identity
	Dial     Dial
	Status   *status.Tracker
	Log      *slog.Logger
	// Capabilities returns the gateway's capabilities; false before the gateway answered.
	Capabilities func() (gateway.Capabilities, bool)
	Form         *proof.Form // nil: the best that the gateway allows
	LoadTimeout  time.Duration
	MemoryLimit  int64 // bytes that the gateway may take; 0: unknown
	SetPolicy    func(drift.Policy)
	SetProbes    func([]fleet.Probe) // nil: probes are ignored
	Drains       *Drains             // nil: drain orders are ignored
	Schemas      schemas             // nil: schemas are not reported
	Unmanaged    unmanaged           // nil: unmanaged configurations are not reported
}

// schemas knows the schemas by which the gateway validates configurations.
type schemas interface {
	// Digest returns the digest of their bundle, empty when there is none. Settled means that reading them was tried.
	Digest(fingerprint string) (digest string, settled bool)
	// Request starts an upload of the bundle. It never blocks.
	Request(upload func(ctx context.Context, digest string, zstd []byte) error)
}

const (
	callTimeout = 5 * time.Second
	// newsDelay bounds the delay of a changed status. The delay is random, so that the nodes of a fleet do not report at once.
	newsDelay = time.Second
	// defaultRenewal applies when the registry sends no interval.
	defaultRenewal = 5 * time.Second
	leaveTimeout   = 2 * time.Second
)

// The conditions of an enrolment.
const (
	nameTaken           = "NodeNameTaken"
	groupMissing        = "GroupMissing"
	registryUnreachable = "RegistryUnreachable"
)

// Run keeps the node enrolled until ctx ends, and then reports that it leaves.
func (c *RegistryClient) Run(ctx context.Context) error {
	conn, err := c.Dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	s := &session{RegistryClient: c, client: registryv1.NewRegistryServiceClient(conn), since: time.Now()}
	s.retry.Policy = retries
	defer s.uploads.Wait() // they end with ctx
	for {
		wait := s.step(ctx)
		if ctx.Err() != nil {
			s.leave(ctx)
			return context.Cause(ctx)
		}
		s.sleep(ctx, wait)
	}
}

// session is the state of one Run.
type session struct {
	*RegistryClient
	client      registryv1.RegistryServiceClient
	enrolled    bool
	failed      bool // the last call
	retry       backoff.Backoff
	since       time.Time // of the last success
	interval    time.Duration
	reported    *fleetv1.NodeStatus
	uploaded    uploaded
	uploads     sync.WaitGroup
	fingerprint string // of the reported capabilities, and the digest of the schemas
}

// step makes one call, and returns the time to the next one.
func (s *session) step(life context.Context) time.Duration {
	ctx, cancel := context.WithTimeout(life, callTimeout)
	defer cancel()
	c, digest, fingerprint := s.capabilities()
	var err error
	if s.enrolled && (fingerprint == s.fingerprint || fingerprint == "") {
		err = s.renew(ctx)
	} else if err = s.enrol(ctx, c, digest, fingerprint != ""); err == nil {
		s.fingerprint = fingerprint
	}
	if s.failed = err != nil; !s.failed {
		s.setNameTaken(false)
		noteRevoked(s.Status, s.Log, s.Identity, "registry", nil)
		s.retry.Reset()
		s.since = time.Now()
		s.uploadInventory(ctx)
		s.uploadConfiguration(life)
		for _, kind := range []string{nameTaken, groupMissing, registryUnreachable} {
			s.Status.Clear(kind)
		}
		return backoff.Jitter(s.interval, 0.2)
	}
	wait := s.retry.Next()
	if noteRevoked(s.Status, s.Log, s.Identity, "registry", err) {
		s.unenrolled()
		return backoff.Jitter(revokedWait, 0.5)
	}
	code := grpcstatus.Code(err)
	switch {
	case code == codes.NotFound && s.enrolled:
		s.unenrolled()
		return backoff.Jitter(retries.Base, 1) // enrol again
	case code == codes.NotFound:
		s.Status.Raise(groupMissing, "the registry does not know the group "+string(s.Identity.Group), time.Now())
	case code == codes.AlreadyExists:
		s.unenrolled()
		s.setNameTaken(true)
		s.Status.Raise(nameTaken, "another agent is enrolled under the name "+string(s.Identity.Node)+
			": give each agent of a group its own --node", time.Now())
	case time.Since(s.since) > unreachableAfter:
		s.Status.Raise(registryUnreachable, "the registry cannot be reached: "+reason(err), time.Now())
	}
	s.Log.Debug("call to the registry failed", "error", err)
	return wait
}

// setNameTaken records whether another agent has the node's name. Meanwhile this one takes no directives and its gateway gets
// no traffic, because it is not known which of the two gateways is meant.
func (s *session) setNameTaken(is bool) {
	if is == s.Status.View().NameTaken {
		return
	}
	s.Status.Update(func(v *status.View) { v.NameTaken = is })
	if is {
		s.Log.Warn("another agent is enrolled under this node's name; give each agent of a group its own --node",
			telemetry.Group, s.Identity.Group, telemetry.Node, s.Identity.Node)
	} else {
		s.Log.Info("the node's name is free again", telemetry.Group, s.Identity.Group, telemetry.Node, s.Identity.Node)
	}
}

// capabilities returns the gateway's capabilities, the digest of its schemas, and a fingerprint of both. An empty fingerprint means that
// they are not known yet. A changed gateway is not reported before reading its schemas was tried.
func (s *session) capabilities() (c gateway.Capabilities, digest, fingerprint string) {
	c, known := s.Capabilities()
	if !known {
		return c, "", ""
	}
	fingerprint = c.Fingerprint()
	if s.Schemas == nil {
		return c, "", fingerprint
	}
	digest, settled := s.Schemas.Digest(fingerprint)
	if !settled {
		return c, "", ""
	}
	return c, digest, fingerprint + " " + digest
}

func (s *session) enrol(ctx context.Context, c gateway.Capabilities, digest string, known bool) error {
	view := s.Status.View()
	req := &registryv1.EnrolNodeRequest{
		Group: string(s.Identity.Group), Node: string(s.Identity.Node), BootId: s.Identity.BootID, SucceedsBootId: s.Identity.Succeeds,
		Labels:       s.Identity.Labels,
		AgentVersion: s.Identity.Version, ProxyAddress: s.Identity.ProxyAddress, AgentAddress: s.Identity.HTTPAddress, Status: nodeStatus(view),
	}
	if known {
		req.Capabilities = capabilities(c, c.Form(s.Form), s.LoadTimeout, s.MemoryLimit)
		req.Capabilities.SchemaDigest = digest
	}
	resp, err := s.client.EnrolNode(ctx, req)
	if err != nil {
		return err
	}
	s.enrolled, s.reported = true, req.GetStatus()
	s.applyTerms(resp.GetRenewInterval().AsDuration(), resp.GetDrift())
	s.applyLoadBalancing(resp, resp.GetProbes(), true)
	s.uploadSchemas(resp.GetWantSchemas())
	s.Status.Update(func(v *status.View) { v.Enrolled = true })
	return nil
}

func (s *session) renew(ctx context.Context) error {
	req := &registryv1.RenewNodeRequest{Group: string(s.Identity.Group), Node: string(s.Identity.Node), BootId: s.Identity.BootID}
	current := nodeStatus(s.Status.View())
	if s.reported == nil || !proto.Equal(current, s.reported) {
		req.Status = current
	}
	resp, err := s.client.RenewNode(ctx, req)
	if err != nil {
		s.reported = nil // another replica may answer next
		return err
	}
	s.reported = current
	if resp.GetWantStatus() {
		s.reported = nil
	}
	s.applyTerms(resp.GetRenewInterval().AsDuration(), resp.GetDrift())
	s.applyLoadBalancing(resp, resp.GetProbes(), false)
	s.uploadSchemas(resp.GetWantSchemas())
	s.uploaded.wanted = resp.GetWantConfiguration()
	return nil
}

// applyLoadBalancing takes the probes and the drain order of an answer.
func (s *session) applyLoadBalancing(t drainTerms, probes []*fleetv1.Probe, enrolment bool) {
	if s.SetProbes != nil {
		s.SetProbes(wire.Probes(probes))
	}
	if s.Drains != nil {
		s.Drains.Apply(orderOf(t), enrolment)
	}
}

// uploadSchemas starts an upload in the background when the registry wants the schemas.
func (s *session) uploadSchemas(wanted bool) {
	if !wanted || s.Schemas == nil {
		return
	}
	s.Schemas.Request(func(ctx context.Context, digest string, zstd []byte) error {
		_, err := s.client.UploadSchemas(ctx, &registryv1.UploadSchemasRequest{
			Group: string(s.Identity.Group), Node: string(s.Identity.Node), Digest: digest, Zstd: zstd,
		})
		return err
	})
}

func (s *session) applyTerms(interval time.Duration, policy fleetv1.DriftPolicy) {
	if interval <= 0 {
		interval = defaultRenewal
	}
	s.interval = interval
	if s.reported == nil {
		s.interval = min(interval, newsDelay)
	}
	s.SetPolicy(policyOf(policy))
}

func (s *session) unenrolled() {
	s.enrolled, s.reported = false, nil
	s.Status.Update(func(v *status.View) { v.Enrolled = false })
}

// sleep waits, but not as long when the status changes in a way that must be reported soon.
func (s *session) sleep(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	end := time.Now().Add(wait)
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-s.Status.Changed():
			soon := backoff.Jitter(newsDelay, 1)
			if s.reported != nil && s.reported.GetDraining() != s.Status.View().Draining {
				soon = 0 // an operator waits for it, or the agent is about to stop
			}
			if !s.failed && s.changed() && time.Until(end) > soon {
				end = time.Now().Add(soon)
				timer.Reset(soon)
			}
		}
	}
}

// changed reports whether something changed that the registry should learn before the next renewal.
func (s *session) changed() bool {
	if !s.enrolled {
		return false
	}
	if _, _, fingerprint := s.capabilities(); fingerprint != "" && fingerprint != s.fingerprint {
		return true
	}
	return s.reported == nil || !proto.Equal(nodeStatus(s.Status.View()), s.reported)
}

// leave tells the registry that the agent stops, so that the node is not reported missing and its name is free.
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
		s.Log.Debug("leaving not reported to the registry", "error", err)
	}
}
