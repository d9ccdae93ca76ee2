package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kong/schema"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/test/load/bundles"
	"github.com/silverback-gateway/silverback/test/load/report"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

const (
	gateways    = 60
	dryRunBound = 1.0 // seconds, of a dry run of 10,000 routes
)

// inventing is a plugin whose secret each gateway would invent: it is refused as soon as schemas are known.
const inventing = "_format_version: \"3.0\"\nplugins:\n- name: session\n"

// measureSchemas times dry runs that are checked by the schemas of 60 gateways. These are started one by one, since a Kong shows other
// schemas at each of its starts (F44), and each names what it shows.
func measureSchemas(ctx context.Context, b *bench) error {
	s, err := b.stand(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := warmUp(ctx, s); err != nil {
		return err
	}
	for _, group := range []string{"none", "fleet"} {
		if err := s.group(ctx, group); err != nil {
			return err
		}
	}
	digests := map[string]bool{}
	for i := range gateways {
		digest, err := b.enrolGateway(ctx, s, "fleet", i)
		if err != nil {
			return err
		}
		digests[digest] = true
	}
	b.add(report.Figure{
		Name: fmt.Sprintf("%d gateways, started one by one: bundles of schemas", gateways), Value: float64(len(digests)), Bound: 1,
		Note: "each of them judges every submission",
	})
	if err := s.judged(ctx, "fleet"); err != nil {
		return err
	}
	for _, f := range formats() {
		without, err := b.dryRuns(ctx, s, "none", f)
		if err != nil {
			return err
		}
		with, err := b.dryRuns(ctx, s, "fleet", f)
		if err != nil {
			return err
		}
		b.add(report.Figure{
			Name: fmt.Sprintf("dry run of %d routes, %s", large, f.name), Value: with, Unit: "s", Bound: dryRunBound,
			Peer: without, PeerName: "no gateways", Note: fmt.Sprintf("median of %d", b.rounds()),
		})
	}
	return nil
}

// enrolGateway starts a simulated gateway, and enrols a node with what it shows.
func (b *bench) enrolGateway(ctx context.Context, s *stand, group string, i int) (digest string, err error) {
	g, err := kongtest.New(kongtest.Options{SchemaDir: b.schemas})
	if err != nil {
		return "", fmt.Errorf("start a gateway with the schemas of --schemas: %w", err)
	}
	defer g.Close()
	texts, err := bundles.Read(ctx, g.AdminURL())
	if err != nil {
		return "", err
	}
	bundle, err := schema.New(texts)
	if err != nil {
		return "", err
	}
	digest, node := string(bundle.Digest()), fmt.Sprintf("gateway-%02d", i)
	answer, err := s.registry.EnrolNode(ctx, &registryv1.EnrolNodeRequest{
		Group: group, Node: node, BootId: "1", Capabilities: &fleetv1.Capabilities{KongVersion: texts.KongVersion, SchemaDigest: digest},
	})
	if err != nil {
		return "", fmt.Errorf("enrol %s: %w", node, err)
	}
	if answer.GetWantSchemas() {
		if _, err := s.registry.UploadSchemas(ctx, &registryv1.UploadSchemasRequest{Group: group, Node: node, Digest: digest,
			Zstd: schema.Pack(bundle)}); err != nil {
			return "", fmt.Errorf("upload the schemas of %s: %w", node, err)
		}
	}
	return digest, nil
}

// judged waits until the translator checks a group by its schemas.
func (s *stand) judged(ctx context.Context, group string) error {
	ctx, cancel := context.WithTimeout(ctx, submitTime)
	defer cancel()
	for {
		_, err := s.dryRun(ctx, group, "session.yaml", []byte(inventing))
		if fault.KindOf(fault.FromStatus(err)) == fault.Invalid {
			return nil
		}
		if wait(ctx, 100*time.Millisecond); ctx.Err() != nil {
			return errors.Join(errors.New("the translator does not check by the schemas"), err)
		}
	}
}

func (s *stand) dryRun(ctx context.Context, group, document string, content []byte) (time.Duration, error) {
	began := time.Now()
	_, err := s.translator.SubmitConfig(ctx, &translatorv1.SubmitConfigRequest{
		Group: group, Documents: []*translatorv1.Document{{Name: document, Content: content}}, ValidateOnly: true,
	}, grpc.MaxCallSendMsgSize(maxReceive))
	return time.Since(began), err
}

// dryRuns returns the median time of some, each of content that was not seen before.
func (b *bench) dryRuns(ctx context.Context, s *stand, group string, f format) (float64, error) {
	var took []float64
	for round := range b.rounds() {
		config := edited(large, 0)
		config.Salt = fmt.Sprintf("-%s-%d", group, round)
		d, err := s.dryRun(ctx, group, "kong."+f.name, f.encode(config))
		if err != nil {
			return 0, fmt.Errorf("dry run in %s: %w", group, err)
		}
		took = append(took, seconds(d))
	}
	return report.Median(took), nil
}
