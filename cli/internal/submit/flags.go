// Package submit is the part of the command line that gives configurations to the translator: apply, diff, validate,
// render, dump and the end of a source.
package submit

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/input"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// DefaultSource is the source when -s is not given.
const DefaultSource = "default"

// target is where a submission goes.
type target struct {
	group  string
	source string
}

func (t *target) addFlags(cmd *cobra.Command, groupRequired bool) {
	cmd.Flags().StringVarP(&t.group, "group", "g", "", "the group of gateways")
	cmd.Flags().StringVarP(&t.source, "source", "s", DefaultSource, "the named part of the group's configuration that the files are")
	if groupRequired {
		app.MustMark(cmd, "group")
	}
}

// submission is the documents of a command and the translator to send them to. Call end after use.
type submission struct {
	end        context.CancelFunc
	documents  []*translatorv1.Document
	translator translatorv1.TranslatorServiceClient
}

// prepare reads what the arguments name, and returns a context that --timeout bounds from then on.
func prepare(ctx context.Context, a *app.App, args []string) (context.Context, *submission, error) {
	documents, err := input.Reader{Stdin: a.In, LookupEnv: a.LookupEnv}.Read(args)
	if err != nil {
		return nil, nil, err
	}
	translator := a.Translator()
	sub := &submission{documents: documents, translator: translator}
	ctx, sub.end = a.Call(ctx)
	return ctx, sub, nil
}
