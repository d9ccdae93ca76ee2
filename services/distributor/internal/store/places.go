package store

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
)

// Places are where webhooks are in the events, in the ledger. It implements webhook.Places for one leadership.
type Places struct {
	KV    clientv3.KV
	Fence etcdkv.Fence
}

// placeTimeout bounds one call of etcd.
const placeTimeout = 5 * time.Second

type place struct {
	Sequence event.Sequence `json:"sequence"`
}

// Place implements webhook.Places.
func (p Places) Place(ctx context.Context, hook string) (event.Sequence, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, placeTimeout)
	defer cancel()
	answer, err := p.KV.Get(ctx, webhookKey(hook))
	if err != nil || len(answer.Kvs) == 0 {
		return 0, false, err
	}
	at, err := decode[place](answer.Kvs[0].Value)
	if err != nil {
		return 0, false, fmt.Errorf("webhook %s: %w", hook, err)
	}
	return at.Sequence, true, nil
}

// SetPlace implements webhook.Places.
func (p Places) SetPlace(ctx context.Context, hook string, at event.Sequence) error {
	ctx, cancel := context.WithTimeout(ctx, placeTimeout)
	defer cancel()
	text, err := encode(place{at})
	if err != nil {
		return err
	}
	_, err = p.Fence.Commit(ctx, p.KV, nil, clientv3.OpPut(webhookKey(hook), text))
	return err
}
