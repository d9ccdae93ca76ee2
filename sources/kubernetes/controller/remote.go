package controller

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kit/backoff"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/sources/kubernetes/content"
)

// maxContent bounds what is read of a revision.
const maxContent = 256 << 20

// rewatchPause is how long a watch that ended waits before it begins again.
var rewatchPause = backoff.Policy{Base: 200 * time.Millisecond, Cap: 10 * time.Second, Jitter: 0.5}

// remote is the group and the source that the controller submits to.
type remote struct {
	*client.Client
	group, source string
}

// present returns the source, or nil when the group has none of that name.
func (f *remote) present(ctx context.Context) (*translatorv1.Source, error) {
	r, err := f.Translator().GetSource(ctx, &translatorv1.GetSourceRequest{Group: f.group, Source: f.source})
	if missing(err) {
		return nil, nil //nolint:nilnil // there is none
	}
	return r.GetSource(), err
}

// revision returns a revision of the group; 0 is the newest. It is nil when there is none.
func (f *remote) revision(ctx context.Context, number int64) (*client.Revision, error) {
	r, err := f.Translator().GetRevision(ctx, &translatorv1.GetRevisionRequest{Group: f.group, Revision: number})
	if missing(err) {
		return nil, nil //nolint:nilnil // there is none
	}
	return r.GetRevision(), err
}

// lastSubmitted returns the newest revision that a submission of the source made, or nil when the ledger has none any more.
func (f *remote) lastSubmitted(ctx context.Context) (*client.Revision, error) {
	r, err := f.Translator().ListRevisions(ctx, &translatorv1.ListRevisionsRequest{Group: f.group, PageSize: 1000})
	if missing(err) {
		return nil, nil //nolint:nilnil // there is none
	}
	if err != nil {
		return nil, err
	}
	for _, revision := range r.GetRevisions() {
		if revision.GetSource() == f.source && revision.GetRestoredRevision() == 0 {
			return revision, nil
		}
	}
	return nil, nil //nolint:nilnil // there is none
}

// content reads what the source holds in a revision; nothing when it has no such source.
func (f *remote) content(ctx context.Context, revision int64) (*content.Content, error) {
	stream, err := f.Translator().GetSnapshot(ctx, &translatorv1.GetSnapshotRequest{
		Group: f.group, Revision: revision, Source: f.source, Format: translatorv1.RenderConfigRequest_FORMAT_CANONICAL,
	})
	if err != nil {
		return nil, err
	}
	var text []byte
	for {
		piece, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return content.Open(text)
		case missing(err):
			return nil, nil //nolint:nilnil // an empty content
		case err != nil:
			return nil, fmt.Errorf("read revision %d: %w", revision, err)
		}
		if text = append(text, piece.GetContent()...); len(text) > maxContent {
			return nil, fmt.Errorf("read revision %d: it has more than %d bytes", revision, maxContent)
		}
	}
}

// watchRevisions tells the newest revision of the group, and every change of it, until ctx ends.
func (f *remote) watchRevisions(ctx context.Context, see func(*client.Revision, *translatorv1.WatchRevisionsResponse_PinnedSources)) error {
	retry := backoff.Backoff{Policy: rewatchPause}
	for {
		stream, err := f.Translator().WatchRevisions(ctx, &translatorv1.WatchRevisionsRequest{Group: f.group})
		for err == nil {
			var step *translatorv1.WatchRevisionsResponse
			if step, err = stream.Recv(); err == nil {
				retry.Reset()
				if r := step.GetRevision(); r != nil {
					see(r, step.GetPinned())
				}
			}
		}
		if err := retry.Wait(ctx); err != nil {
			return err
		}
	}
}

// watchRollouts tells the newest rollout of the group, and every change of it, until ctx ends.
func (f *remote) watchRollouts(ctx context.Context, see func(*client.Rollout)) error {
	retry := backoff.Backoff{Policy: rewatchPause}
	for {
		for rollout, err := range f.WatchRollouts(ctx, f.group) {
			if err != nil {
				break
			}
			retry.Reset()
			see(rollout)
		}
		if err := retry.Wait(ctx); err != nil {
			return err
		}
	}
}

func missing(err error) bool {
	var e *client.Error
	return errors.As(err, &e) && e.Code == codes.NotFound
}
