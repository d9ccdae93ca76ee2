package kongtest

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
)

// disk stands for LMDB under Kong's prefix: the configuration that survives a restart of the gateway. With a directory it also survives the
// process.
type disk struct {
	dir  string
	kept atomic.Pointer[loaded]
}

func (d *disk) path() string { return filepath.Join(d.dir, "dbless.sim") }

// save keeps a configuration. It is called before the configuration is in force.
func (d *disk) save(l *loaded, text []byte) error {
	if d.dir == "" {
		d.kept.Store(l)
		return nil
	}
	temporary := d.path() + ".tmp"
	if err := os.WriteFile(temporary, append([]byte(l.Hash+"\n"), text...), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, d.path())
}

// read returns the hash and the text that were saved, or no text.
func (d *disk) read() (hash string, text []byte, err error) {
	saved, err := os.ReadFile(d.path())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	first, text, ok := bytes.Cut(saved, []byte("\n"))
	if !ok {
		return "", nil, errors.New(d.path() + " is damaged")
	}
	return string(first), text, nil
}

func (d *disk) wipe() error {
	d.kept.Store(nil)
	if d.dir == "" {
		return nil
	}
	if err := os.Remove(d.path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
