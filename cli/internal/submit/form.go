package submit

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/show"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// forms are the output forms of a configuration, by their names in --format.
var forms = map[string]translatorv1.RenderConfigRequest_Format{
	"kong":      translatorv1.RenderConfigRequest_FORMAT_YAML,
	"deck":      translatorv1.RenderConfigRequest_FORMAT_DECK,
	"canonical": translatorv1.RenderConfigRequest_FORMAT_CANONICAL,
}

// formHelp describes the forms.
const formHelp = `--format kong is what Kong reads, as its declarative_config or by POST /config. --format deck is what decK reads. --format
canonical, which -o json also gives, is JSON byte for byte as gateways get it, without the reserved route.`

// formFlag is the flag --format. Without it people get Kong's form, and programs get the canonical bytes with -o json.
type formFlag string

func (f *formFlag) add(cmd *cobra.Command) {
	cmd.Flags().StringVar((*string)(f), "format", "", "kong, deck or canonical (default: kong; canonical with -o json)")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"kong", "deck", "canonical"},
		cobra.ShellCompDirectiveNoFileComp))
}

func (f *formFlag) form(output show.Format) (translatorv1.RenderConfigRequest_Format, error) {
	if *f == "" {
		if output == show.JSON {
			return translatorv1.RenderConfigRequest_FORMAT_CANONICAL, nil
		}
		return translatorv1.RenderConfigRequest_FORMAT_YAML, nil
	}
	form, ok := forms[string(*f)]
	switch {
	case !ok:
		return 0, fmt.Errorf("--format %q must be kong, deck or canonical", string(*f))
	case output == show.JSON && form != translatorv1.RenderConfigRequest_FORMAT_CANONICAL:
		return 0, fmt.Errorf("--format %s is YAML: omit -o json", string(*f))
	}
	return form, nil
}
