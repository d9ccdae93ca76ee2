package backup

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"filippo.io/age"
)

// longestChain is how many backups may stand upon each other.
const longestChain = 1000

// An Archive is a backup in a file, with the files of its bases beside it.
type Archive struct {
	Path       string
	Identities []age.Identity
}

// A Walked is a backup that was read to its end, with its bases, and is complete.
type Walked struct {
	Manifest Manifest
	Counts   Counts
	ID       ID
	Bases    []Base
}

// Walk reads a backup, and calls each for every record and every object. Objects of bases come last, in no order of their keys. It returns
// no error only when the backup is complete: until then what each got may be half of it.
func (a Archive) Walk(each func(Entry) error) (Walked, error) {
	missing := map[string][sha256.Size]byte{}
	newest, err := a.read(a.Path, func(e Entry) error {
		if !e.InBase() {
			return each(e)
		}
		missing[e.Key] = e.Sum
		return nil
	})
	if err != nil {
		return Walked{}, fmt.Errorf("%s: %w", a.Path, err)
	}
	w := Walked{Manifest: newest.Manifest(), Counts: newest.Counts(), ID: newest.ID()}
	for base := newest.Manifest().Base; len(missing) > 0; {
		if base == nil {
			return w, fmt.Errorf("%s: %w: its bases lack %d objects that it names", a.Path, ErrDamaged, len(missing))
		}
		if base, err = a.base(&w, *base, missing, each); err != nil {
			return w, err
		}
	}
	return w, nil
}

// base reads a base for the objects that are missing, and returns the base of that.
func (a Archive) base(w *Walked, b Base, missing map[string][sha256.Size]byte, each func(Entry) error) (*Base, error) {
	if len(w.Bases) >= longestChain {
		return nil, fmt.Errorf("%s: more than %d backups stand upon each other", a.Path, longestChain)
	}
	path, err := a.beside(b)
	if err != nil {
		return nil, err
	}
	w.Bases = append(w.Bases, b)
	r, err := a.read(path, func(e Entry) error {
		sum, wanted := missing[e.Key]
		if !wanted || e.InBase() {
			return nil
		}
		if sum != e.Sum {
			return fmt.Errorf("%w: object %s is another one than %s names", ErrDamaged, e.Key, a.Path)
		}
		delete(missing, e.Key)
		return each(e)
	})
	if err != nil {
		return nil, fmt.Errorf("%s, a base of %s: %w", path, a.Path, err)
	}
	if r.ID() != b.ID {
		return nil, fmt.Errorf("%s is another backup (%s) than the base of %s (%s)", path, r.ID().Short(), a.Path, b.ID.Short())
	}
	return r.Manifest().Base, nil
}

// beside returns the path of a base.
func (a Archive) beside(b Base) (string, error) {
	if b.File != filepath.Base(b.File) || b.File == "." || b.File == ".." || b.File == string(filepath.Separator) {
		return "", fmt.Errorf("%s: %w: its base is %.100q, and a base lies in the same folder", a.Path, ErrDamaged, b.File)
	}
	return filepath.Join(filepath.Dir(a.Path), b.File), nil
}

// read reads one file to its end.
func (a Archive) read(path string, each func(Entry) error) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := Open(f, a.Identities)
	if err != nil {
		return nil, err
	}
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r, nil
		}
		if err != nil {
			return nil, err
		}
		if err := each(e); err != nil {
			return nil, err
		}
	}
}

// Index returns the objects that a backup has, for another one with this as its base. The bases of the backup are not read.
func (a Archive) Index() (*Index, error) {
	x := &Index{Objects: map[string][sha256.Size]byte{}}
	r, err := a.read(a.Path, func(e Entry) error {
		if e.IsObject() {
			x.Objects[e.Key] = e.Sum
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.Path, err)
	}
	x.Base = Base{ID: r.ID(), File: filepath.Base(a.Path)}
	return x, nil
}
