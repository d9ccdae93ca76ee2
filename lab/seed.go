package lab

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kit/backoff"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

const seedPause = 100 * time.Millisecond

// Dial returns a client of the lab's services. Close it.
func (l *Lab) Dial() (*client.Client, error) {
	return client.Dial(client.Config{Registry: l.Registry(), Translator: l.Translator(), Distributor: l.Distributor()})
}

// Seed applies the first configuration to a group that has none. It waits until the services answer, and returns the newest revision, or 0.
func (l *Lab) Seed(ctx context.Context) (int64, error) {
	c, err := l.Dial()
	if err != nil {
		return 0, err
	}
	defer c.Close()
	for {
		revision, err := l.seedOnce(ctx, c)
		switch status.Code(err) {
		case codes.OK:
			return revision, nil
		case codes.Unavailable, codes.NotFound: // the services or the default group do not exist yet
		default:
			return 0, fmt.Errorf("apply %s: %w", l.config.Name, err)
		}
		if err := backoff.Sleep(ctx, seedPause); err != nil {
			return 0, err
		}
	}
}

func (l *Lab) seedOnce(ctx context.Context, c *client.Client) (int64, error) {
	newest, err := c.Translator().GetRevision(ctx, &translatorv1.GetRevisionRequest{Group: Group})
	switch {
	case err == nil || status.Code(err) != codes.NotFound:
		return newest.GetRevision().GetNumber(), err // an existing configuration is kept
	case len(l.config.Document) == 0:
		return 0, nil
	}
	response, err := c.Submit(ctx, &client.SubmitRequest{
		Group: Group, Message: "applied by the lab: " + l.config.Name,
		Documents: []*client.Document{{Name: l.config.Name, Content: l.config.Document}},
	})
	return response.GetRevision().GetNumber(), err
}
