package translate_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

var update = flag.Bool("update", false, "write the expected results of testdata anew")

// variants are the settings that every example is translated with.
var variants = map[string]translate.Options{
	"default": {},
	"expressions": {
		Expressions: true, ServiceFacade: true, RewriteURIs: true, RedirectPlugin: true, CombinedServices: true, DrainSupport: true,
		ClusterDomain: "cluster.local", Workspace: "team", RemovableTargets: true,
	},
}

// TestExamples translates every example of testdata; what is expected is the configuration and, as comments, the problems and the origins.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for _, file := range files {
		if strings.HasSuffix(file, ".golden.yaml") {
			continue
		}
		examples++
		for name, options := range variants {
			result := translate.Translate(filled(t, file), options)
			expected := strings.TrimSuffix(file, ".yaml") + "." + name + ".golden.yaml"
			got := describe(t, result)
			if *update {
				if err := os.WriteFile(expected, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(expected)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is not what is expected; see it with git diff after -update:\n%s", expected, got)
			}
		}
	}
	if examples == 0 {
		t.Error("testdata has no examples")
	}
}

// filled reads an example and completes its Secrets, as an API server would; the routes stay as they are.
func filled(t *testing.T, file string) *object.Set {
	t.Helper()
	set := read(t, file)
	for _, s := range object.List[*core.Secret](set, "Secret") {
		for name, value := range s.StringData {
			if s.Data == nil {
				s.Data = map[string][]byte{}
			}
			s.Data[name] = []byte(value)
		}
		s.StringData = nil
	}
	return set
}

func describe(t *testing.T, result translate.Result) []byte {
	t.Helper()
	text, err := result.Config.YAML()
	if err != nil {
		t.Fatal(err)
	}
	out := bytes.NewBuffer(text)
	for _, p := range result.Problems {
		fmt.Fprintf(out, "# %s %v: %s\n", p.Reason, p.Objects, p.Message)
	}
	for _, o := range result.Origins {
		fmt.Fprintf(out, "# %s %s from %v\n", o.Kind, o.Name, o.Objects)
	}
	return out.Bytes()
}

// TestSetsThatAreEqualAreTranslatedEqually translates an example many times: maps of Go are read in another order each time.
func TestSetsThatAreEqualAreTranslatedEqually(t *testing.T) {
	for _, file := range []string{"testdata/ingress.yaml", "testdata/consumers.yaml"} {
		first := translate.Translate(filled(t, file), translate.Options{})
		for range 20 {
			if again := translate.Translate(filled(t, file), translate.Options{}); !reflect.DeepEqual(again, first) {
				t.Fatalf("%s: %+v, then %+v", file, first, again)
			}
		}
	}
}

// TestATranslationChangesNoObject translates a set twice: what the first one had changed would show in the second.
func TestATranslationChangesNoObject(t *testing.T) {
	for _, file := range []string{"testdata/ingress.yaml", "testdata/consumers.yaml"} {
		set := filled(t, file)
		_ = translate.Translate(set, translate.Options{Expressions: true})
		_ = translate.Translate(set, translate.Options{})
		before, after := filled(t, file).All(), set.All()
		for i := range before {
			if !reflect.DeepEqual(before[i], after[i]) {
				t.Errorf("%s: %s changed", file, object.RefOf(before[i]))
			}
		}
	}
}
