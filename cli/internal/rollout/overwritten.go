package rollout

import (
	"context"
	"fmt"
	"time"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/rpc"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

const (
	historyPage = 50 // revisions that a group keeps
	askPatience = 5 * time.Second
	askPause    = 200 * time.Millisecond
)

// fate tells whether what was submitted as a source is still in the revisions that came after it. One wait has one.
type fate struct {
	app      *app.App
	source   string
	revision *translatorv1.Revision // as it was committed
	held     int64                  // the newest revision that is known to hold it
	asked    int64                  // the newest revision that was asked about while waiting
}

// early is overwritten while the wait goes on, asked once for each revision: who cannot learn it then learns it at the end.
func (f *fate) early(ctx context.Context, later int64) *verdict {
	if later <= f.asked {
		return nil
	}
	f.asked = later
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	if end, err := f.overwritten(ctx, later); err == nil && end != nil {
		return &verdict{overwritten: end}
	}
	return nil // settled asks again
}

// overwritten returns the end of a wait whose source somebody replaced up to a later revision; nil when that holds it. The other error is
// that nobody says.
func (f *fate) overwritten(ctx context.Context, later int64) (end, unknown error) {
	if later <= f.revision.GetNumber() || later == f.held {
		return nil, nil
	}
	translator, err := f.app.TranslatorClient()
	if err != nil {
		return nil, err
	}
	answer, err := translator.GetRevision(ctx, &translatorv1.GetRevisionRequest{Group: f.revision.GetGroup(), Revision: later})
	if err != nil {
		return nil, err
	}
	mine := digestIn(f.revision, f.source)
	if digestIn(answer.GetRevision(), f.source) == mine {
		f.held = later
		return nil, nil
	}
	by := answer.GetRevision()
	// The first that holds something else; what came after it may be another source's.
	if page, err := translator.ListRevisions(ctx, &translatorv1.ListRevisionsRequest{Group: f.revision.GetGroup(),
		PageSize: historyPage}); err == nil {
		for _, r := range page.GetRevisions() { // the newest first
			if r.GetNumber() > f.revision.GetNumber() && r.GetNumber() <= later && digestIn(r, f.source) != mine {
				by = r
			}
		}
	}
	return &app.Exit{Code: app.ExitDifference, Err: fmt.Errorf("overwritten: %s", tellOverwritten(f.source, f.revision.GetNumber(), by))}, nil
}

// settled is overwritten at the end of a wait: who cannot learn it now asks again for a moment, and ends without a success.
func (f *fate) settled(ctx context.Context, served int64) error {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	for {
		end, err := f.overwritten(ctx, served)
		if err == nil {
			return end
		}
		select {
		case <-ctx.Done():
			return &app.Exit{Code: app.ExitDifference, Err: fmt.Errorf(
				"revision %d is served, and it cannot be learned whether it still holds source %q as revision %d brought it: %s",
				served, f.source, f.revision.GetNumber(), show.Clean(rpc.Why(err)))}
		case <-time.After(askPause):
		}
	}
}

func tellOverwritten(source string, mine int64, by *translatorv1.Revision) string {
	did := "submitted it again"
	if digestIn(by, source) == "" {
		did = "deleted it"
	}
	text := fmt.Sprintf("source %q of revision %d is not what the gateways get: %s %s, as revision %d", source, mine, by.GetAuthor(), did,
		by.GetNumber())
	if by.GetMessage() != "" {
		text += fmt.Sprintf(" (%q)", show.First(by.GetMessage()))
	}
	return show.Clean(text + fmt.Sprintf("; 'silverback diff -g %s --from-revision %d --to-revision %d' shows what that changed",
		by.GetGroup(), mine, by.GetNumber()))
}

// digestIn is the digest of a source in a revision; empty when it is not part of it.
func digestIn(r *translatorv1.Revision, source string) string {
	for _, s := range r.GetSources() {
		if s.GetName() == source {
			return s.GetDigest()
		}
	}
	return ""
}
