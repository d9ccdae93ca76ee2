package translate_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/sources/kubernetes/manifest"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// TestTheTranslatorTakesWhatIsTranslated compiles the translation of every example: it is what a source submits.
func TestTheTranslatorTakesWhatIsTranslated(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".golden.yaml") {
			continue
		}
		for name, options := range variants {
			set := read(t, file)
			manifest.FillDefaults(set)
			text, err := translate.Translate(set, options).Config.YAML()
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range compiled(text) {
				t.Errorf("%s, %s: %s", file, name, p)
			}
		}
	}
}

// compiled says what the compiler finds wrong with a configuration.
func compiled(text []byte) []compile.Problem {
	c := compile.New(compile.DefaultLimits())
	fragment, problems := c.Parse([]compile.Document{{Name: "kubernetes.yaml", Content: text}})
	if problems != nil {
		return problems
	}
	_, problems = c.Merge(map[compile.SourceID]*compile.Fragment{"kubernetes": fragment})
	return problems
}
