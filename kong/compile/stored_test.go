package compile_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/silverback-gateway/silverback/kong/compile"
)

// The file is of the version in which a class was a text in memory too. It holds a service with a route whose path has a tab.
func TestAStoredFragmentIsRead(t *testing.T) {
	stored, err := os.ReadFile(filepath.Join("testdata", "fragment-1.hex"))
	if err != nil {
		t.Fatal(err)
	}
	if stored, err = hex.DecodeString(string(bytes.TrimSpace(stored))); err != nil {
		t.Fatal(err)
	}
	f, err := compile.New(compile.DefaultLimits()).Unmarshal(stored)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Warnings) != 1 || f.Warnings[0].Class != compile.BadValue || f.Warnings[0].Field != "paths[0]" {
		t.Errorf("got the warnings %v", f.Warnings)
	}
	if !bytes.Equal(f.Marshal(), stored) {
		t.Error("it is stored in another form")
	}
}
