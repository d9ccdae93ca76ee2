// Package input reads what a user submits: files, folders and standard input, with environment templates substituted. It does not parse
// configurations; the translator does.
package input

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// MaxBytes is the largest submission in bytes, as in the translator.
const MaxBytes = 64 << 20

// Stdin is how errors name standard input.
const Stdin = "stdin"

// ErrNothing means that the arguments name no document.
var ErrNothing = errors.New("no configuration was given: name files or folders, or - for standard input")

// A Reader reads documents. The zero value substitutes nothing and has no standard input.
type Reader struct {
	Stdin     io.Reader
	LookupEnv LookupEnv
	KeepEnv   bool // leaves templates as they stand
}

// Read returns the documents that the arguments name: a file is itself, a folder is every .yaml, .yml and .json file below
// it in the order of their names, and "-" is standard input.
func (r Reader) Read(args []string) ([]*translatorv1.Document, error) {
	if len(args) == 0 {
		return nil, ErrNothing
	}
	names, err := expandArgs(args)
	if err != nil {
		return nil, err
	}
	var docs []*translatorv1.Document
	budget := int64(MaxBytes)
	for _, name := range names {
		text, err := r.readOne(name, budget)
		if err != nil {
			return nil, err
		}
		budget -= int64(len(text))
		if name == "-" {
			name = Stdin
		}
		if !r.KeepEnv && r.LookupEnv != nil {
			if text, err = Expand(name, text, r.LookupEnv); err != nil {
				return nil, err
			}
		}
		docs = append(docs, &translatorv1.Document{Name: name, Content: text})
	}
	return docs, nil
}

// readOne reads at most budget bytes, and one more to detect a longer document.
func (r Reader) readOne(name string, budget int64) ([]byte, error) {
	source := r.Stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, plainPathError(err)
		}
		defer func() { _ = file.Close() }()
		source = file
	}
	if source == nil {
		return nil, fmt.Errorf("%s: there is no standard input", Stdin)
	}
	text, err := io.ReadAll(io.LimitReader(source, budget+1))
	if err != nil {
		return nil, plainPathError(err)
	}
	if int64(len(text)) > budget {
		return nil, fmt.Errorf("%s: the submission is over the limit of %d MiB; split the configuration into sources of several groups", name,
			MaxBytes>>20)
	}
	return text, nil
}

// expandArgs turns folders into their files and refuses a file that is named twice.
func expandArgs(args []string) ([]string, error) {
	var names []string
	seen := map[string]bool{}
	add := func(name string) error {
		if seen[name] {
			return fmt.Errorf("%s: named twice", name)
		}
		seen[name] = true
		names = append(names, name)
		return nil
	}
	for _, arg := range args {
		found := []string{arg}
		if arg != "-" {
			info, err := os.Stat(arg)
			if err != nil {
				return nil, plainPathError(err)
			}
			found[0] = filepath.Clean(arg)
			if info.IsDir() {
				if found, err = filesBelow(arg); err != nil {
					return nil, err
				}
			}
		}
		for _, name := range found {
			if err := add(name); err != nil {
				return nil, err
			}
		}
	}
	return names, nil
}

// filesBelow lists the configuration files below a folder. Hidden files and folders are left
// out, since editors and version control keep theirs there.
func filesBelow(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path != dir && strings.HasPrefix(entry.Name(), ".") {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		switch strings.ToLower(filepath.Ext(path)) {
		case ".yaml", ".yml", ".json":
			if !entry.IsDir() {
				files = append(files, path)
			}
		}
		return nil
	})
	if err != nil {
		return nil, plainPathError(err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: the folder holds no .yaml, .yml or .json file", dir)
	}
	slices.Sort(files)
	return files, nil
}

// plainPathError formats an error as "orders.yaml: no such file or directory", like every other error of a document.
func plainPathError(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("%s: %w", path.Path, path.Err)
	}
	return err
}
