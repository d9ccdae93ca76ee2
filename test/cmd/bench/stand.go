package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"

	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/test/load/ledger"
	"github.com/silverback-gateway/silverback/test/load/process"
	"github.com/silverback-gateway/silverback/test/load/worker"
)

// maxReceive is what a translator takes.
const maxReceive = 80 << 20

// submitTime is how long a submission may take before it counts as failed.
const submitTime = time.Minute

// stand is an etcd, a registry and a translator, each in a process of its own.
type stand struct {
	bench      *bench
	dir        string
	worker     *worker.Worker
	endpoint   string
	registryAt string
	transAt    string
	etcd       *clientv3.Client
	registry   registryv1.RegistryServiceClient
	translator translatorv1.TranslatorServiceClient
	process    *process.Process // the translator's
	env        []string         // of its processes
	close      []func()
}

func (b *bench) stand(ctx context.Context, env ...string) (_ *stand, err error) {
	b.stands++
	s := &stand{bench: b, env: env, dir: filepath.Join(b.dir, fmt.Sprintf("stand-%d", b.stands))}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.worker, s.endpoint, err = ledger.Start(ctx, filepath.Join(s.dir, "etcd")); err != nil {
		return nil, err
	}
	s.close = append(s.close, s.worker.Close)
	if s.etcd, err = clientv3.New(clientv3.Config{Endpoints: []string{s.endpoint}, DialTimeout: 5 * time.Second,
		Logger: zap.NewNop()}); err != nil {
		return nil, fmt.Errorf("connect to etcd: %w", err)
	}
	s.close = append(s.close, func() { _ = s.etcd.Close() })
	// Sessions outlast the measurement: the agents of the bench do not renew.
	if s.registryAt, _, err = s.run(ctx, "registry", "registry", "--session-ttl=30m", "--renew-interval=10m"); err != nil {
		return nil, err
	}
	if s.transAt, s.process, err = s.run(ctx, "translator", "translator", "--registry="+s.registryAt); err != nil {
		return nil, err
	}
	toRegistry, err := s.dial(s.registryAt)
	if err != nil {
		return nil, err
	}
	toTranslator, err := s.dial(s.transAt)
	if err != nil {
		return nil, err
	}
	s.registry, s.translator = registryv1.NewRegistryServiceClient(toRegistry), translatorv1.NewTranslatorServiceClient(toTranslator)
	return s, nil
}

func (s *stand) dial(address string) (*grpc.ClientConn, error) {
	conn, err := rpc.Dial(rpc.ClientConfig{Addresses: []string{address}, MaxReceive: maxReceive})
	if err == nil {
		s.close = append(s.close, func() { _ = conn.Close() })
	}
	return conn, err
}

// run starts a service's binary and waits until it is ready.
func (s *stand) run(ctx context.Context, binary, name string, args ...string) (address string, p *process.Process, err error) {
	address, err = process.FreeAddress()
	if err != nil {
		return "", nil, err
	}
	http, err := process.FreeAddress()
	if err != nil {
		return "", nil, err
	}
	args = append([]string{"--listen=" + address, "--http-listen=" + http, "--etcd-endpoints=" + s.endpoint, "--log-level=warn"}, args...)
	if p, err = process.StartIn(ctx, s.env, s.bench.binary(binary), fmt.Sprintf("%s-%d", name, s.bench.stands), http, args...); err != nil {
		return "", nil, err
	}
	s.close = append(s.close, p.Stop)
	return address, p, p.Ready(ctx)
}

// distributor starts a replica of the distributor.
func (s *stand) distributor(ctx context.Context, name string) (address string, p *process.Process, err error) {
	return s.run(ctx, "distributor", name, "--registry="+s.registryAt, "--translator="+s.transAt, "--replica-id="+name)
}

// Close stops everything, the last first.
func (s *stand) Close() {
	for i := len(s.close) - 1; i >= 0; i-- {
		s.close[i]()
	}
	s.close = nil
}

// group creates a group that moves all at once.
func (s *stand) group(ctx context.Context, name string) error {
	_, err := s.registry.CreateGroup(ctx, &registryv1.CreateGroupRequest{Group: &registryv1.Group{Name: name, Policy: &fleetv1.RolloutPolicy{
		Waves:             []*fleetv1.RolloutPolicy_Wave{{Size: &fleetv1.RolloutPolicy_Wave_Percent{Percent: 100}}},
		MaxLoadingPercent: 100, Deadline: durationpb.New(time.Hour),
		LoadInterval: durationpb.New(0), // or else large snapshots would wait for each other
	}}})
	if err != nil {
		return fmt.Errorf("create group %s: %w", name, err)
	}
	return nil
}

// submit submits a document and returns its revision and how long that took.
func (s *stand) submit(ctx context.Context, group, document string, content []byte) (*translatorv1.Revision, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, submitTime)
	defer cancel()
	began := time.Now()
	answer, err := s.translator.SubmitConfig(ctx, &translatorv1.SubmitConfigRequest{
		Group: group, Documents: []*translatorv1.Document{{Name: document, Content: content}},
	}, grpc.MaxCallSendMsgSize(maxReceive))
	took := time.Since(began)
	if err != nil {
		return nil, took, fmt.Errorf("submit %s to %s: %w", document, group, err)
	}
	if answer.GetUnchanged() {
		return nil, took, errors.New("a submission that should have changed something did not")
	}
	return answer.GetRevision(), took, nil
}

// commits tells when a group's new revisions were committed, as a watcher of etcd beside the translator sees it.
func (s *stand) commits(ctx context.Context, group string) (next func() (time.Time, error), stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	seen := make(chan time.Time, 100) // more than a measurement has revisions
	watch := s.etcd.Watch(ctx, "/silverback/v1/desired/heads/"+group)
	go func() {
		for answer := range watch {
			for range answer.Events {
				seen <- time.Now()
			}
		}
	}()
	return func() (time.Time, error) {
		select {
		case at := <-seen:
			return at, nil
		case <-time.After(submitTime):
			return time.Time{}, errors.New("no commit was seen in etcd")
		}
	}, cancel
}
