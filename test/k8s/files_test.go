package k8s_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// Every file is read strictly, and belongs to the kustomization of its folder.
func TestFilesAreStrictAndUsed(t *testing.T) {
	folders := 0
	err := filepath.WalkDir(manifests(t), func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if _, err := os.Stat(filepath.Join(dir, "kustomization.yaml")); err != nil {
			files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
			if len(files) > 0 {
				t.Errorf("%s has files and no kustomization", dir)
			}
			return err
		}
		folders++
		checkFolder(t, dir)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if folders < 9 {
		t.Errorf("%d kustomizations were found", folders)
	}
}

func checkFolder(t *testing.T, dir string) {
	t.Helper()
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	var k types.Kustomization
	if err := yaml.UnmarshalStrict(read("kustomization.yaml"), &k); err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	used := slices.Clone(k.Resources)
	for _, p := range k.Patches {
		used = append(used, p.Path)
		text := p.Patch
		if p.Path != "" {
			text = string(read(p.Path))
		}
		if strings.Count(text, "$patch: delete") > 1 {
			t.Errorf("%s: a patch takes away more than one object, at which kubectl 1.32 and older crash", dir)
		}
	}
	var settings []string
	for _, g := range k.ConfigMapGenerator {
		settings = append(settings, g.FileSources...)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		switch {
		case name == "kustomization.yaml":
		case slices.Contains(settings, name):
			var flat map[string]any // the binary's own --check says more
			if err := yaml.UnmarshalStrict(read(name), &flat); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		case !slices.Contains(used, name):
			t.Errorf("%s is used by no kustomization", file)
		default:
			if _, err := decode(string(read(name))); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

// People's certificates: what they may do stands in them.
func TestUsersHaveRoles(t *testing.T) {
	objects, err := decode(build(t, "users"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := newFleet(objects)
	if err != nil {
		t.Fatal(err)
	}
	issuers := mustFleet(t, "overlays/production").issuers
	for _, c := range f.certificates {
		if len(c.Spec.URIs) != 1 || !isUser(c.Spec.URIs[0]) || issuers[c.Spec.IssuerRef.Name] == nil ||
			slices.Contains(c.Spec.Usages, "server auth") {
			t.Errorf("Certificate %s is not of a user, for clients only, by an issuer of production: %v", c.Name, c.Spec.URIs)
		}
	}
	if len(f.certificates) < 2 {
		t.Errorf("%d users", len(f.certificates))
	}
}
