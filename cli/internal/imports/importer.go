package imports

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/rollout"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/cli/internal/submit"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// importer submits documents from outside of the fleet as a new source.
type importer struct {
	group, source, message string
	dryRun, wait           bool
	waitTimeout            time.Duration

	served []string // inventories of gateways that serve exactly this and therefore take the revision; set while it is read
}

func (t *importer) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&t.group, "group", "g", "", "the group of gateways")
	cmd.Flags().StringVarP(&t.source, "source", "s", submit.DefaultSource, "the source to create; it must not exist")
	cmd.Flags().StringVarP(&t.message, "message", "m", "", "why, for the history")
	cmd.Flags().BoolVar(&t.dryRun, "dry-run", false, "do everything except the commit")
	cmd.Flags().BoolVar(&t.wait, "wait", false, "wait until every online gateway of the group serves it, except those that are left as "+
		"they are")
	cmd.Flags().DurationVar(&t.waitTimeout, "wait-timeout", 10*time.Minute, "how long --wait waits")
	app.MustMark(cmd, "group")
}

// run submits the result of read. It first checks that the source does not exist, before anything is read.
func (t *importer) run(ctx context.Context, a *app.App, from string, read func(context.Context) ([]*translatorv1.Document, error)) error {
	translator := a.Translator()
	if err := unused(ctx, a, translator, t.group, t.source); err != nil {
		return err
	}
	documents, err := read(ctx)
	if err != nil {
		return err
	}
	message := t.message
	if message == "" {
		message = "import of " + from
	}
	calling, cancel := a.Call(ctx)
	defer cancel()
	answer, err := translator.SubmitConfig(calling, &translatorv1.SubmitConfigRequest{
		Group: t.group, Source: t.source, Documents: documents, RequestId: uuid.NewString(), Message: message, ValidateOnly: t.dryRun,
		LeaveUnmanaged: true, ReplaceServed: t.served,
	})
	if err != nil {
		return err
	}
	if err := submit.Print(a, answer, t.dryRun); err != nil {
		return err
	}
	if !t.wait || t.dryRun || answer.GetRevision() == nil {
		return nil
	}
	return rollout.Wait(ctx, a, t.source, answer.GetRevision(), t.waitTimeout)
}

// unused fails when an import would replace a source.
func unused(ctx context.Context, a *app.App, translator translatorv1.TranslatorServiceClient, group, source string) error {
	ctx, cancel := a.Call(ctx)
	defer cancel()
	answer, err := translator.GetSource(ctx, &translatorv1.GetSourceRequest{Group: group, Source: source})
	switch {
	case status.Code(err) == codes.NotFound:
		return nil
	case err != nil:
		return err
	case answer.GetSource().GetEntityCount() == 0:
		return nil
	}
	return fmt.Errorf("source %s of group %s exists already, with %s, and an import would replace it; give another name with -s",
		source, group, show.Count(answer.GetSource().GetEntityCount(), "entity", "entities"))
}
