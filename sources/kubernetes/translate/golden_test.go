package translate_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/sources/kubernetes/internal/golden"
	"github.com/silverback-gateway/silverback/sources/kubernetes/manifest"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// corpus finds recordings beside the repository, which are no part of it.
func corpus(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "..", "shared", "corpus", name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no recordings: %s is not there", dir)
	}
	return dir
}

// goldenCase is one configuration that Kong Ingress Controller made.
type goldenCase struct {
	Name         string
	Edition      string
	Inputs       []string
	Expected     string
	FeatureFlags map[string]bool `json:"feature_flags"`
}

// optionsOf are the settings with which a case was made.
func (c goldenCase) options() translate.Options {
	return translate.Options{
		Expressions:      c.FeatureFlags["ExpressionRoutes"],
		ServiceFacade:    c.FeatureFlags["KongServiceFacade"],
		RewriteURIs:      c.FeatureFlags["RewriteURIs"],
		RedirectPlugin:   c.FeatureFlags["SupportRedirectPlugin"],
		CombinedServices: c.FeatureFlags["CombinedServicesFromDifferentHTTPRoutes"],
		NoCustomEntities: !c.FeatureFlags["KongCustomEntity"],
	}
}

// read reads manifests, and leaves out what is marked as broken with all that depends on it.
func read(t *testing.T, files ...string) *object.Set {
	t.Helper()
	set := &object.Set{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		problems, err := manifest.Read(file, bytes.NewReader(text), set)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Logf("%v: %s: %s", p.Objects, p.Reason, p.Message)
		}
	}
	var broken []object.Ref
	for _, obj := range set.All() {
		if obj.GetAnnotations()["test.konghq.com/broken"] == "true" {
			broken = append(broken, object.RefOf(obj))
		}
	}
	set, _ = translate.Without(set, broken)
	return set
}

// TestGolden holds what is promised about recorded configurations, and prints the score.
func TestGolden(t *testing.T) {
	dir := corpus(t, "kic-golden")
	text, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Cases []goldenCase }
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	reached := map[golden.Level]int{}
	for _, c := range list.Cases {
		t.Run(c.Name, func(t *testing.T) {
			var files []string
			for _, input := range c.Inputs {
				files = append(files, filepath.Join(dir, input))
			}
			result := translate.Translate(read(t, files...), c.options())
			for _, p := range result.Problems {
				t.Logf("%v: %s: %s", p.Objects, p.Reason, p.Message)
			}
			got, err := result.Config.YAML()
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join(dir, c.Expected))
			if err != nil {
				t.Fatal(err)
			}
			level, err := golden.Compare(got, want)
			if err != nil {
				t.Fatal(err)
			}
			for at := golden.Routing; at <= level; at++ {
				reached[at]++
			}
			if level < golden.Text {
				t.Logf("level %d:\n%s", level, strings.Join(golden.Fields(got, want), "\n"))
			}
		})
	}
	all := len(list.Cases)
	t.Logf("of %d: routing %d, content %d, strict %d, every byte %d", all, reached[golden.Routing], reached[golden.Content],
		reached[golden.Strict], reached[golden.Text])
	for level, percent := range map[golden.Level]int{golden.Routing: 95, golden.Content: 90, golden.Strict: 70} {
		if reached[level]*100 < all*percent {
			t.Errorf("level %d: %d of %d, want %d %%", level, reached[level], all, percent)
		}
	}
}

// TestManifestsAreTranslated translates real manifests for which no configuration was recorded: none is refused as a whole.
func TestManifestsAreTranslated(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpus(t, "kic-golden"), "inputs-only", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		for name, options := range variants {
			set := read(t, file)
			manifest.FillDefaults(set)
			result := translate.Translate(set, options)
			for _, p := range result.Problems {
				t.Logf("%s, %s: %v: %s: %s", filepath.Base(file), name, p.Objects, p.Reason, p.Message)
			}
			if result.Config.Empty() {
				t.Errorf("%s, %s: nothing at all", file, name)
			}
		}
	}
	t.Logf("%d manifests", len(files))
}
