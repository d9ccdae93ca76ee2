// Package render makes configurations of manifests: files, folders and standard input become a set of objects, and that is translated.
package render

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/sources/kubernetes/manifest"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// Standard is the name of standard input among inputs.
const Standard = "-"

// extensions are those of files that are read in folders.
var extensions = []string{".yaml", ".yml", ".json"}

// Settings are how manifests are read and translated.
type Settings struct {
	translate.Options
	// AsGiven takes manifests as they are. Else what an API server would fill in is filled in.
	AsGiven bool
}

// Render translates the objects of inputs: names of files, of folders with files, and "-" for stdin. Problems with objects are in the
// result; an input that cannot be read is an error.
func Render(inputs []string, stdin io.Reader, settings Settings) (translate.Result, error) {
	set := &object.Set{}
	var problems []object.Problem
	for _, input := range inputs {
		found, err := read(input, stdin, set)
		if err != nil {
			return translate.Result{}, err
		}
		problems = append(problems, found...)
	}
	if !settings.AsGiven {
		manifest.FillDefaults(set)
	}
	result := translate.Translate(set, settings.Options)
	result.Problems = object.SortProblems(append(problems, result.Problems...))
	return result, nil
}

// read adds the objects of one input to set.
func read(input string, stdin io.Reader, set *object.Set) ([]object.Problem, error) {
	if input == Standard {
		return manifest.Read("standard input", stdin, set)
	}
	var problems []object.Problem
	err := filepath.WalkDir(input, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() || path != input && !slices.Contains(extensions, strings.ToLower(filepath.Ext(path))) {
			return nil
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		found, err := manifest.Read(path, file, set)
		problems = append(problems, found...)
		return err
	})
	return problems, err
}

// The formats of a rendered configuration.
const (
	YAML = "yaml"
	JSON = "json"
)

// ErrFormat says that a format is not known.
var ErrFormat = errors.New("the format is neither yaml nor json")

// Write writes the configuration of a result in a format; with origins the whole result, in JSON.
func Write(out io.Writer, result translate.Result, format string, origins bool) error {
	var text []byte
	var err error
	switch {
	case origins:
		text, err = json.MarshalIndent(struct {
			Config   any                `json:"config"`
			Problems []object.Problem   `json:"problems"`
			Origins  []translate.Origin `json:"origins"`
		}{result.Config, result.Problems, result.Origins}, "", "  ")
		text = append(text, '\n')
	case format == YAML:
		text, err = result.Config.YAML()
	case format == JSON:
		text, err = json.MarshalIndent(result.Config, "", "  ")
		text = append(text, '\n')
	default:
		return fmt.Errorf("%w: %s", ErrFormat, format)
	}
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}
