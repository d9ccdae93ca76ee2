// Package submit has the commands that send configurations to the translator: apply, diff, validate, render, dump and the deletion of a
// source.
package submit

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/input"
	"github.com/silverback-gateway/silverback/cli/internal/kubernetes"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/client"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// DefaultSource is the source when -s is not given.
const DefaultSource = "default"

// target is the destination of a submission.
type target struct {
	group  string
	source string
	from   origin
}

func (t *target) addFlags(cmd *cobra.Command, groupRequired bool) {
	cmd.Flags().StringVarP(&t.group, "group", "g", "", "the group of gateways")
	cmd.Flags().StringVarP(&t.source, "source", "s", DefaultSource, "the source whose content the files are, a named part of the group's "+
		"configuration")
	t.from.add(cmd)
	if groupRequired {
		app.MustMark(cmd, "group")
	}
}

// submission is the documents of a command and the translator to send them to. Call end after use.
type submission struct {
	end        context.CancelFunc
	documents  []*translatorv1.Document
	translator translatorv1.TranslatorServiceClient
	place      func(*fleetv1.Problem) // moves a problem to the Kubernetes object; nil for Kong files
}

// origin is the kind of the files: the flag --from, and how manifests are translated.
type origin struct {
	kind     string
	settings kubernetes.Settings
}

// fromKubernetes is the only value of --from.
const fromKubernetes = "kubernetes"

func (o *origin) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.kind, "from", "", "the kind of the files when they are not Kong's: kubernetes for manifests")
	o.settings.AddFlag(cmd.Flags())
	_ = cmd.RegisterFlagCompletionFunc("from", cobra.FixedCompletions([]string{fromKubernetes}, cobra.ShellCompDirectiveNoFileComp))
}

// prepare reads the files of the arguments, and returns a context that --timeout bounds from then on.
func prepare(ctx context.Context, a *app.App, from origin, args []string) (context.Context, *submission, error) {
	sub := &submission{translator: a.Translator()}
	switch from.kind {
	case "":
		if len(from.settings) > 0 {
			return nil, nil, errors.New("--kubernetes-setting requires --from kubernetes")
		}
		documents, err := input.Reader{Stdin: a.In, LookupEnv: a.LookupEnv}.Read(args)
		if err != nil {
			return nil, nil, err
		}
		sub.documents = documents
	case fromKubernetes:
		translation, err := kubernetes.Translate(ctx, a.In, args, from.settings)
		if err != nil {
			return nil, nil, err
		}
		for _, line := range translation.Problems {
			fmt.Fprintf(a.Err, "warning: %s\n", show.Clean(line))
		}
		sub.documents, sub.place = []*translatorv1.Document{translation.Document}, translation.Place
	default:
		return nil, nil, fmt.Errorf("--from %q: give kubernetes, or omit it for Kong files", from.kind)
	}
	ctx, sub.end = a.Call(ctx)
	return ctx, sub, nil
}

// placed returns an error whose problems name the objects that the submitted entities came from.
func (s *submission) placed(err error) error {
	var call *client.Error
	if errors.As(err, &call) {
		s.placeAll(call.Problems)
	}
	return err
}

func (s *submission) placeAll(problems []*fleetv1.Problem) {
	for _, p := range problems {
		if s.place != nil {
			s.place(p)
		}
	}
}
