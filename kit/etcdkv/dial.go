package etcdkv

import (
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

const (
	connectTime = 5 * time.Second
	// A member that vanished without a word is noticed after the sum of both.
	probeTime    = 5 * time.Second
	probeTimeout = 3 * time.Second
	// gRPC's own pauses between attempts grow to two minutes, which a control plane would be missed for after etcd is back.
	longestPause = 2 * time.Second
)

// Dial returns a client of etcd. It connects with the first call, and again soon after etcd was away.
func Dial(endpoints []string) (*clientv3.Client, error) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints: endpoints, DialTimeout: connectTime, DialKeepAliveTime: probeTime, DialKeepAliveTimeout: probeTimeout, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.3, MaxDelay: longestPause},
			MinConnectTimeout: probeTimeout,
		})},
	})
	if err != nil {
		return nil, fmt.Errorf("connect to etcd: %w", err)
	}
	return client, nil
}
