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
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// history is a translator that knows revisions, in their order.
type history struct {
	translatorv1.UnimplementedTranslatorServiceServer
	revisions []*translatorv1.Revision
}

func (h *history) GetRevision(_ context.Context, r *translatorv1.GetRevisionRequest) (*translatorv1.GetRevisionResponse, error) {
	for _, have := range h.revisions {
		if have.GetNumber() == r.GetRevision() {
			return &translatorv1.GetRevisionResponse{Revision: have}, nil
		}
	}
	return nil, status.Error(codes.NotFound, "no such revision")
}

func (h *history) ListRevisions(context.Context, *translatorv1.ListRevisionsRequest) (*translatorv1.ListRevisionsResponse, error) {
	newest := slices.Clone(h.revisions)
	slices.Reverse(newest)
	return &translatorv1.ListRevisionsResponse{Revisions: newest}, nil
}

// revision is one by somebody's submission of a source, made of sources with digests.
func revision(number int64, by, source string, sources ...string) *translatorv1.Revision {
	r := &translatorv1.Revision{Group: "edge", Number: number, Author: by, Source: source}
	for i := 0; i < len(sources); i += 2 {
		r.Sources = append(r.Sources, &translatorv1.SourceRef{Name: sources[i], Digest: sources[i+1]})
	}
	return r
}

func TestWhoIsOverwrittenHearsIt(t *testing.T) {
	mine := revision(7, "alice", "a", "a", "one", "b", "x")
	all := func(later ...*translatorv1.Revision) []*translatorv1.Revision {
		return append([]*translatorv1.Revision{mine}, later...)
	}
	for _, tt := range []struct {
		name      string
		revisions []*translatorv1.Revision // nil: nobody knows
		rollouts  []*distributorv1.Rollout
		want      string // of the error; empty is a success
	}{
		{
			name: "another source is no matter", revisions: all(revision(8, "bob", "b", "a", "one", "b", "y")),
			rollouts: []*distributorv1.Rollout{moving(7, superseded), moving(8, progressing), moving(8, completed)},
		},
		{
			name: "the same content again is no matter", revisions: all(revision(8, "bob", "a", "a", "two", "b", "x"),
				revision(9, "bob", "a", "a", "one", "b", "x")),
			rollouts: []*distributorv1.Rollout{moving(7, superseded), moving(9, completed)},
		},
		{
			name: "the rollout that replaces it is enough", revisions: all(revision(8, "bob", "a", "a", "two", "b", "x")),
			rollouts: []*distributorv1.Rollout{moving(7, superseded), moving(8, progressing)},
			want:     `overwritten: source "a" of revision 7 is not what the gateways get: bob submitted it again, as revision 8`,
		},
		{
			name: "who did it is told, not who came last", revisions: all(revision(8, "bob", "a", "a", "two", "b", "x"),
				revision(9, "carol", "b", "a", "two", "b", "y")),
			rollouts: []*distributorv1.Rollout{moving(9, completed)},
			want:     "bob submitted it again, as revision 8",
		},
		{
			name: "deleted", revisions: all(revision(8, "bob", "a", "b", "x")),
			rollouts: []*distributorv1.Rollout{moving(8, completed)},
			want:     "bob deleted it, as revision 8",
		},
		{
			name: "served before", revisions: all(revision(8, "bob", "a", "a", "two", "b", "x")),
			rollouts: []*distributorv1.Rollout{moving(7, completed), moving(8, completed)},
		},
		{
			name: "a halt of the one that replaced it", revisions: all(revision(8, "bob", "a", "a", "two", "b", "x")),
			rollouts: []*distributorv1.Rollout{moving(8, halted)},
			want:     "bob submitted it again",
		},
		{
			name: "nobody knows", rollouts: []*distributorv1.Rollout{moving(8, completed)},
			want: `whether it still holds source "a" as revision 7 brought it is unknown`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			server := grpc.NewServer()
			w := &watches{streams: make(chan []*distributorv1.Rollout, 1)}
			w.streams <- tt.rollouts
			distributorv1.RegisterRolloutServiceServer(server, w)
			translatorv1.RegisterTranslatorServiceServer(server, &history{revisions: tt.revisions})
			go func() { _ = server.Serve(l) }()
			t.Cleanup(server.Stop)
			var out bytes.Buffer
			a := &app.App{Err: &out, Out: &out, Now: time.Now}
			a.Flags.Distributor, a.Flags.Translator = []string{l.Addr().String()}, []string{l.Addr().String()}
			t.Cleanup(a.Close)
			err = Wait(t.Context(), a, "a", mine, time.Minute)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("ended with %v", err)
			case tt.want != "" && (app.Code(err) != app.ExitDifference || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("ended with %d: %v; want %q", app.Code(err), err, tt.want)
			case tt.want != "" && strings.Contains(out.String(), "is served by"):
				t.Errorf("printed %q", out.String())
			}
		})
	}
}
