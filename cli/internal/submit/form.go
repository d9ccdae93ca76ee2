package submit

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/silverback-gateway/silverback/cli/internal/show"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// forms are the forms in which a configuration can be written, by what --format calls them.
var forms = map[string]translatorv1.RenderConfigRequest_Format{
	"kong":      translatorv1.RenderConfigRequest_FORMAT_YAML,
	"deck":      translatorv1.RenderConfigRequest_FORMAT_DECK,
	"canonical": translatorv1.RenderConfigRequest_FORMAT_CANONICAL,
}

// formHelp says what the forms are.
const formHelp = `--format kong is what Kong reads, as its declarative_config or by POST /config. --format deck is what decK reads. --format
canonical, which -o json also gives, is JSON byte for byte as gateways get it, without the reserved route.`

// formFlag is the flag --format. Without it people get Kong's form, and programs, by -o json, the canonical bytes.
type formFlag string

func (f *formFlag) add(cmd *cobra.Command) {
	cmd.Flags().StringVar((*string)(f), "format", "", "kong, deck or canonical (kong, with -o json canonical)")
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
		return 0, fmt.Errorf("--format %q is none of kong, deck and canonical", string(*f))
	case output == show.JSON && form != translatorv1.RenderConfigRequest_FORMAT_CANONICAL:
		return 0, fmt.Errorf("--format %s is YAML: leave out -o json", string(*f))
	}
	return form, nil
}
