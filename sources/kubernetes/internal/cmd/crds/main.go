// Command crds writes the definitions of Kong's custom resources into a folder, one file each, with a kustomization of all.
package main

import (
	"fmt"
	"os"

	"github.com/silverback-gateway/silverback/sources/kubernetes/internal/crds"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: crds FOLDER")
		os.Exit(2)
	}
	if err := crds.Write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "crds:", err)
		os.Exit(1)
	}
}
