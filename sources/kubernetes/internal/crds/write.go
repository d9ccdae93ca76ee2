package crds

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	head = "# Made by make crds from sources/kubernetes/kongcrd. Not to be edited.\n"

	aboutFolder = `# The custom resources of Kong, for clusters without Kong Ingress Controller. A cluster that has its definitions keeps
# them: they have the same names, groups and versions, and check more.
`
	kustomization = "kustomization.yaml"
)

// Files are the files of the folder by their names: one for each definition, and a kustomization.
func Files() (map[string]string, error) {
	all, err := All()
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for _, d := range all {
		files[d.Name+".yaml"] = head + string(d.Manifest)
	}
	var list strings.Builder
	list.WriteString(aboutFolder + head + "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n")
	for _, name := range slices.Sorted(maps.Keys(files)) {
		list.WriteString("  - " + name + "\n")
	}
	files[kustomization] = list.String()
	return files, nil
}

// Write makes a folder have exactly the files.
func Write(dir string) error {
	files, err := Files()
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	for _, file := range old {
		if _, ok := files[filepath.Base(file)]; ok {
			continue
		}
		if err := os.Remove(file); err != nil {
			return fmt.Errorf("remove a definition: %w", err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // a folder of the repository
		return fmt.Errorf("make the folder: %w", err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil { //nolint:gosec // a file of the repository
			return fmt.Errorf("write a definition: %w", err)
		}
	}
	return nil
}
