package lab

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/kit/rpc"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

// Watcher tells in a line where the newest rollout stands. Close it.
type Watcher struct {
	client distributorv1.RolloutServiceClient
	close  func() error
}

// WatchRollout returns a watcher.
func (l *Lab) WatchRollout() (*Watcher, error) {
	conn, err := rpc.Dial(rpc.ClientConfig{Addresses: l.Distributor()})
	if err != nil {
		return nil, err
	}
	return &Watcher{client: distributorv1.NewRolloutServiceClient(conn), close: conn.Close}, nil
}

// Close ends the watcher.
func (w *Watcher) Close() { _ = w.close() }

// Line asks a distributor and tells.
func (w *Watcher) Line(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	answer, err := w.client.GetRollout(ctx, &distributorv1.GetRolloutRequest{Group: Group})
	if err != nil {
		return "none yet"
	}
	r := answer.GetRollout()
	state := strings.ToLower(strings.TrimPrefix(r.GetState().String(), "STATE_"))
	line := fmt.Sprintf("revision %d %s, wave %d of %d, %d of %d serving", r.GetCandidateRevision(), state, r.GetWave(), r.GetWaveCount(),
		r.GetProgress().GetServing(), r.GetProgress().GetOnline())
	if r.GetReason() != "" {
		line += ": " + r.GetReason()
	}
	return line
}
