package translate_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/silverback-gateway/silverback/sources/kubernetes/manifest"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// FuzzTranslate reads anything, and translates what could be read, twice: nothing panics, and equal sets have equal results.
func FuzzTranslate(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		// An object at a time: a mutation of one is not lost in the others.
		for _, document := range bytes.Split(text, []byte("\n---\n")) {
			f.Add(document, true)
			f.Add(document, false)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, expressions bool) {
		options := translate.Options{
			Expressions: expressions, ServiceFacade: true, RewriteURIs: true, RedirectPlugin: expressions, GatewayController: "example.com/ours",
		}
		var results [2]translate.Result
		for i := range results {
			set := &object.Set{}
			if _, err := manifest.Read("input", bytes.NewReader(text), set); err != nil {
				return
			}
			results[i] = translate.Translate(set, options)
		}
		if !reflect.DeepEqual(results[0], results[1]) {
			t.Errorf("%+v, then %+v", results[0], results[1])
		}
		if _, err := results[0].Config.YAML(); err != nil {
			t.Error(err)
		}
	})
}
