package lab

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/rpc"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

const seedPause = 100 * time.Millisecond

// Seed applies the first configuration to a group that has none, as a client would. It waits until the services answer, and returns the
// number of the newest revision; 0 is none.
func (l *Lab) Seed(ctx context.Context) (int64, error) {
	conn, err := rpc.Dial(rpc.ClientConfig{Addresses: l.Translator()})
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	client := translatorv1.NewTranslatorServiceClient(conn)
	for {
		revision, err := l.seedOnce(ctx, client)
		switch status.Code(err) {
		case codes.OK:
			return revision, nil
		case codes.Unavailable, codes.NotFound: // the services, or the default group, are on their way
		default:
			return 0, fmt.Errorf("apply %s: %s", l.config.Name, status.Convert(err).Message())
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-time.After(seedPause):
		}
	}
}

func (l *Lab) seedOnce(ctx context.Context, client translatorv1.TranslatorServiceClient) (int64, error) {
	newest, err := client.GetRevision(ctx, &translatorv1.GetRevisionRequest{Group: Group})
	if err == nil {
		return newest.GetRevision().GetNumber(), nil // a lab that was here before keeps what it has
	}
	if status.Code(err) != codes.NotFound || len(l.config.Document) == 0 {
		if len(l.config.Document) == 0 && status.Code(err) == codes.NotFound {
			return 0, nil
		}
		return 0, err
	}
	answer, err := client.SubmitConfig(ctx, &translatorv1.SubmitConfigRequest{
		Group: Group, Message: "applied by the lab: " + l.config.Name, Documents: []*translatorv1.Document{
			{Name: l.config.Name, Content: l.config.Document}},
	})
	return answer.GetRevision().GetNumber(), err
}
