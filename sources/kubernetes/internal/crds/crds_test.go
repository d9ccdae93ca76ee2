package crds_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/silverback-gateway/silverback/sources/kubernetes/internal/crds"
)

const folder = "../../../../deploy/k8s/kong-crds"

func TestTheDefinitionsInTheRepositoryAreThoseOfTheTypes(t *testing.T) {
	files, err := crds.Files()
	if err != nil {
		t.Fatal(err)
	}
	found, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range found {
		names = append(names, f.Name())
	}
	if want := slices.Sorted(maps.Keys(files)); !slices.Equal(names, want) {
		t.Errorf("%s has %q, want %q; make crds writes them", folder, names, want)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil || string(got) != want {
			t.Errorf("%s is not what the types say (%v); make crds writes it", name, err)
		}
	}
}
