// Package ledger runs a real etcd that syncs to disk, as in production, in a process of its own.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/silverback-gateway/silverback/test/load/worker"
)

// Role is the worker's role.
const Role = "etcd"

const startTime = time.Minute

// Serve is the worker: one member with its data in the folder that it is told. It stops with its caller.
func Serve(ctx context.Context, serve func(map[string]worker.Method) error) error {
	var member *embed.Etcd
	defer func() {
		if member != nil {
			member.Close()
		}
	}()
	return serve(map[string]worker.Method{
		"start": worker.Do(func(_ context.Context, dir string) (endpoint string, err error) {
			if member, err = start(ctx, dir); err != nil {
				return "", err
			}
			return member.Clients[0].Addr().String(), nil
		}),
	})
}

// Start starts the member in a worker, and returns its client address.
func Start(ctx context.Context, dir string) (*worker.Worker, string, error) {
	w, err := worker.Start(ctx, Role)
	if err != nil {
		return nil, "", err
	}
	var endpoint string
	if err := w.Call("start", dir, &endpoint); err != nil {
		w.Close()
		return nil, "", err
	}
	return w, endpoint, nil
}

func start(ctx context.Context, dir string) (*embed.Etcd, error) {
	c := embed.NewConfig()
	c.Name, c.Dir = "bench", dir
	at := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	c.ListenClientUrls, c.AdvertiseClientUrls = at, at
	c.ListenPeerUrls, c.AdvertisePeerUrls = at, at
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	c.QuotaBackendBytes = 4 << 30
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	member, err := embed.StartEtcd(c)
	if err != nil {
		return nil, fmt.Errorf("start etcd: %w", err)
	}
	select {
	case <-member.Server.ReadyNotify():
		return member, nil
	case err = <-member.Err():
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-time.After(startTime):
		err = errors.New("it was not ready in time")
	}
	member.Close()
	return nil, fmt.Errorf("start etcd: %w", err)
}
