// Package ledger runs an etcd inside the process.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const startTime = time.Minute

// Etcd is a single member with its data in a folder.
type Etcd struct {
	etcd *embed.Etcd
	once sync.Once
}

// Start starts the member and waits until it answers.
func Start(ctx context.Context, dir, address string) (*Etcd, error) {
	c := embed.NewConfig()
	c.Name, c.Dir = "lab", dir
	c.ListenClientUrls = []url.URL{{Scheme: "http", Host: address}}
	c.AdvertiseClientUrls = c.ListenClientUrls
	// The only member has no peers, so its peer port may be any.
	c.ListenPeerUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	c.AdvertisePeerUrls = c.ListenPeerUrls
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	c.QuotaBackendBytes = 4 << 30
	c.AutoCompactionMode, c.AutoCompactionRetention = "periodic", "10m"
	// Only what ends the process is logged: etcd exits by itself when it cannot go on.
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.New(zapcore.NewCore(
		zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig()), zapcore.Lock(os.Stderr), zap.FatalLevel)))
	etcd, err := embed.StartEtcd(c)
	if err != nil {
		return nil, fmt.Errorf("start etcd on %s: %w", address, err)
	}
	e := &Etcd{etcd: etcd}
	select {
	case <-etcd.Server.ReadyNotify():
		return e, nil
	case err = <-etcd.Err():
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-time.After(startTime):
		err = errors.New("it was not ready in time")
	}
	e.Close()
	return nil, fmt.Errorf("start etcd: %w", err)
}

// Endpoint returns the client address.
func (e *Etcd) Endpoint() string { return e.etcd.Clients[0].Addr().String() }

// Close stops the member.
func (e *Etcd) Close() { e.once.Do(e.etcd.Close) }
