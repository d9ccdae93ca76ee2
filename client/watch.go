package client

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/backoff"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

// redialPause is the longest pause before the next replica is watched. A part of it is random, because a replica that goes away has many
// watchers.
const (
	redialPause  = 300 * time.Millisecond
	redialJitter = 0.5
)

// WatchRollouts yields the newest rollout of a group, then every change of it and every newer rollout. It may skip progress, but never the
// newest state. An empty group watches all groups. When a replica goes away, the next one is watched, and it yields the newest rollout
// again.
//
// The loop goes on until it breaks, ctx ends or a service refuses. The last two yield an error and no rollout.
func (c *Client) WatchRollouts(ctx context.Context, group string) iter.Seq2[*Rollout, error] {
	return func(yield func(*Rollout, error) bool) {
		ended := c.watch(ctx, group, func(r *Rollout, err error) bool {
			switch {
			case r != nil:
				return yield(r, nil)
			case err != nil && !passing(err):
				yield(nil, err)
				return false
			}
			return true
		})
		if !ended {
			yield(nil, context.Cause(ctx))
		}
	}
}

// watch watches one replica after another until see returns false, and then returns true, or until ctx ends. see receives a rollout, the
// error that ended a stream, or neither when a replica answered without a rollout.
func (c *Client) watch(ctx context.Context, group string, see func(*Rollout, error) bool) (ended bool) {
	return c.follow(ctx, func(conn *replicas) bool { return watchOnce(ctx, conn, group, see) },
		func(err error) bool { return see(nil, err) })
}

// follow calls once with a connection to one replica of the distributor after another until it returns false, and then returns true, or
// until ctx ends. failed returns whether to go on when a replica cannot be dialed.
func (c *Client) follow(ctx context.Context, once func(conn *replicas) bool, failed func(error) bool) (ended bool) {
	goOn := once(c.distributor)
	for turn := 0; goOn; turn++ {
		if backoff.Sleep(ctx, backoff.Jitter(redialPause, redialJitter)) != nil {
			return false
		}
		err := c.distributor.apart(turn, func(one *replicas) error {
			goOn = once(one)
			return nil
		})
		if err != nil {
			goOn = failed(err)
		}
	}
	return true
}

// watchOnce watches through one connection until its stream ends or see returns false, and returns whether to go on.
func watchOnce(ctx context.Context, conn *replicas, group string, see func(*Rollout, error) bool) bool {
	ctx, cancel := context.WithCancel(ctx) // ends the stream
	defer cancel()
	stream, err := distributorv1.NewRolloutServiceClient(conn).WatchRollouts(ctx, &distributorv1.WatchRolloutsRequest{Group: group})
	if err != nil {
		return see(nil, err)
	}
	for {
		switch response, err := stream.Recv(); {
		case errors.Is(err, io.EOF): // the replica stops
			return true
		case err != nil:
			return see(nil, err)
		case !see(response.GetRollout(), nil):
			return false
		}
	}
}

// passing reports whether an error means that a replica went away, so that another one will answer.
func passing(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.Aborted, codes.Canceled, codes.DeadlineExceeded, codes.NotFound:
		return true
	}
	return false
}
