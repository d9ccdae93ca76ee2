package rollout

import (
	"bytes"
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/kit/fault"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// promotions answers each GetRollout with the next rollout, and the last one again. It records the promotions.
type promotions struct {
	distributorv1.UnimplementedRolloutServiceServer
	rollouts []*distributorv1.Rollout
	fail     error // of the first promotion
	promoted []*distributorv1.PromoteRolloutRequest
}

func (p *promotions) GetRollout(context.Context, *distributorv1.GetRolloutRequest) (*distributorv1.GetRolloutResponse, error) {
	r := p.rollouts[0]
	if len(p.rollouts) > 1 {
		p.rollouts = p.rollouts[1:]
	}
	return &distributorv1.GetRolloutResponse{Rollout: r}, nil
}

func (p *promotions) PromoteRollout(
	_ context.Context, r *distributorv1.PromoteRolloutRequest,
) (*distributorv1.PromoteRolloutResponse, error) {
	p.promoted = append(p.promoted, r)
	err := p.fail
	p.fail = nil
	return &distributorv1.PromoteRolloutResponse{}, err
}

func TestExpress(t *testing.T) {
	named := func(id string, r *distributorv1.Rollout) *distributorv1.Rollout {
		r.Id = id
		return r
	}
	frozen := moving(6, completed)
	frozen.Frozen = &distributorv1.Order{Author: "alice", Reason: "sale"}
	for _, tt := range []struct {
		name     string
		rollouts []*distributorv1.Rollout
		fail     error
		want     []string // ids of the promoted rollouts
		err      string
	}{
		{name: "its own rollout", rollouts: []*distributorv1.Rollout{named("seven", moving(7, progressing))}, want: []string{"seven"}},
		{name: "an older rollout first", want: []string{"six", "six", "seven"}, rollouts: []*distributorv1.Rollout{
			named("six", moving(6, progressing)), named("six", moving(6, completed)), named("seven", moving(7, progressing))}},
		{name: "it waits for the load interval", want: []string{"six", "seven"},
			rollouts: []*distributorv1.Rollout{named("six", moving(6, completed)), named("seven", moving(7, progressing))}},
		{name: "already completed", rollouts: []*distributorv1.Rollout{moving(7, completed)}},
		{name: "the older rollout ends before its promotion", want: []string{"six", "seven"},
			fail:     fault.ToStatus(fault.Of(fault.WrongState)).Err(),
			rollouts: []*distributorv1.Rollout{named("six", moving(6, progressing)), named("seven", moving(7, progressing))}},
		{name: "refused", want: []string{"seven"}, err: "not allowed",
			fail:     fault.ToStatus(fault.New(fault.Denied, "DENIED", "not allowed")).Err(),
			rollouts: []*distributorv1.Rollout{named("seven", moving(7, progressing))}},
		{name: "frozen", rollouts: []*distributorv1.Rollout{frozen}, err: "alice froze the group: sale"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			server, p := grpc.NewServer(), &promotions{rollouts: tt.rollouts, fail: tt.fail}
			distributorv1.RegisterRolloutServiceServer(server, p)
			go func() { _ = server.Serve(l) }()
			t.Cleanup(server.Stop)
			var out bytes.Buffer
			a := &app.App{Err: &out, Out: &out, Now: time.Now}
			a.Flags.Distributor = []string{l.Addr().String()}
			t.Cleanup(a.Close)
			err = Express(t.Context(), a, &translatorv1.Revision{Group: "edge", Number: 7}, "outage")
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("Express returned %v, want %q", err, tt.err)
			}
			var ids []string
			for _, r := range p.promoted {
				ids = append(ids, r.GetRollout())
				if r.GetGroup() != "edge" || !r.GetFull() || r.GetReason() != "express: outage" {
					t.Errorf("promoted with %v", r)
				}
			}
			if !slices.Equal(ids, tt.want) {
				t.Errorf("promoted %q, want %q", ids, tt.want)
			}
		})
	}
}
