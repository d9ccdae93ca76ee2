package resource

import (
	"cmp"
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/rollout"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/backoff"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// lines prints changes: a row each, or with -o json a line.
type lines struct {
	a     *app.App
	table show.Stream
}

func newLines(a *app.App, header []string, more int) *lines {
	return &lines{a: a, table: show.Stream{Header: header, More: more}}
}

func (l *lines) print(m proto.Message, row []string) error {
	if l.a.Flags.Output != show.Table {
		return show.One(l.a.Out, l.a.Flags.Output, m)
	}
	l.table.Layout = l.a.Layout()
	return l.table.Write(l.a.Out, row...)
}

// A stream is opened again after at most reopenPause, of which reopenJitter is random: a replica that stops has many watchers.
const (
	reopenPause  = 500 * time.Millisecond
	reopenJitter = 0.5
)

// keep follows a stream. When the replica that serves it stops, it opens the stream again at the last position.
func keep[T any](ctx context.Context, open func(token string) (grpc.ServerStreamingClient[T], error),
	take func(*T) (token string, err error)) error {
	for token := ""; ; {
		err := follow(open, take, &token)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // interrupted, which is how a watch ends
		case err != nil && status.Code(err) != codes.Unavailable && status.Code(err) != codes.Aborted:
			return err
		}
		_ = backoff.Sleep(ctx, backoff.Jitter(reopenPause, reopenJitter)) // what ended ctx is seen above
	}
}

func follow[T any](open func(token string) (grpc.ServerStreamingClient[T], error), take func(*T) (string, error), token *string) error {
	stream, err := open(*token)
	if err != nil {
		return err
	}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		next, err := take(m)
		if err != nil {
			return err
		}
		*token = cmp.Or(next, *token)
	}
}

func watchGroups(ctx context.Context, a *app.App, q query) error {
	out := newLines(a, groupHeader, groupMore)
	return keep(ctx, func(token string) (grpc.ServerStreamingClient[registryv1.WatchGroupsResponse], error) {
		return a.Registry().WatchGroups(ctx, &registryv1.WatchGroupsRequest{ResumeToken: token})
	}, func(m *registryv1.WatchGroupsResponse) (string, error) {
		if g := m.GetUpserted(); g != nil && (q.name == "" || q.name == g.GetName()) {
			return "", out.print(g, groupRow(a, g))
		}
		if name := m.GetDeleted(); name != "" && (q.name == "" || q.name == name) {
			return "", out.print(m, []string{name, "deleted"})
		}
		return m.GetSynced().GetResumeToken(), nil
	})
}

func watchNodes(ctx context.Context, a *app.App, q query) error {
	out := newLines(a, nodeHeader, nodeMore)
	return keep(ctx, func(token string) (grpc.ServerStreamingClient[registryv1.WatchNodesResponse], error) {
		return a.Registry().WatchNodes(ctx, &registryv1.WatchNodesRequest{Group: q.group, ResumeToken: token})
	}, func(m *registryv1.WatchNodesResponse) (string, error) {
		if n := m.GetUpserted(); n != nil && (q.name == "" || q.name == n.GetName()) {
			if !q.selector.matches(n) {
				return "", nil
			}
			return "", out.print(n, nodeRow(a, n))
		}
		if d := m.GetDeleted(); d != nil && (q.name == "" || q.name == d.GetNode()) {
			return "", out.print(m, []string{d.GetGroup(), d.GetNode(), "deleted"})
		}
		return m.GetSynced().GetResumeToken(), nil
	})
}

func watchRevisions(ctx context.Context, a *app.App, q query) error {
	out := newLines(a, revisionHeader, revisionMore)
	return keep(ctx, func(token string) (grpc.ServerStreamingClient[translatorv1.WatchRevisionsResponse], error) {
		return a.Translator().WatchRevisions(ctx, &translatorv1.WatchRevisionsRequest{Group: q.group, ResumeToken: token})
	}, func(m *translatorv1.WatchRevisionsResponse) (string, error) {
		if r := m.GetRevision(); r != nil {
			return "", out.print(r, revisionRow(a, r))
		}
		return m.GetSynced().GetResumeToken(), nil
	})
}

func watchRollouts(ctx context.Context, a *app.App, q query) error {
	columns := rollout.Table(a, nil)
	out := newLines(a, columns.Header, columns.More)
	return keep(ctx, func(string) (grpc.ServerStreamingClient[distributorv1.WatchRolloutsResponse], error) {
		return a.Rollouts().WatchRollouts(ctx, &distributorv1.WatchRolloutsRequest{Group: q.group})
	}, func(m *distributorv1.WatchRolloutsResponse) (string, error) {
		r := m.GetRollout()
		if r == nil || (q.name != "" && rollout.ID(q.name) != r.GetId()) {
			return "", nil
		}
		return "", out.print(r, rollout.Table(a, []*distributorv1.Rollout{r}).Rows[0])
	})
}
