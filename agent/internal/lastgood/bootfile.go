package lastgood

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// BootFile is the path of the file that Kong's declarative_config names: every start of Kong returns to it (fact F30), so
// it holds the posted bytes of the last known good. A symbolic link is followed, and stays. An empty path writes nothing.
type BootFile string

// Kong may run as another user of the same group.
const bootMode fs.FileMode = 0o640

// Write puts posted bytes in place, unless they are there. Whoever reads sees the old file or the new one.
func (f BootFile) Write(posted []byte) error {
	if f == "" {
		return nil
	}
	path, err := f.target()
	if err != nil {
		return err
	}
	mode := bootMode
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", f)
	case err == nil:
		mode = info.Mode().Perm() // as its owner wants it
		if info.Size() == int64(len(posted)) {
			if there, err := os.ReadFile(path); err == nil && bytes.Equal(there, posted) {
				return nil
			}
		}
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s cannot be looked at: %w", f, cause(err))
	}
	if err := writeFile(path, mode, posted); err != nil {
		return f.unwritable(err)
	}
	return nil
}

// Check says whether the file could be written now, without touching it: that its folder is there and takes files.
func (f BootFile) Check() error {
	if f == "" {
		return nil
	}
	path, err := f.target()
	if err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", f)
	}
	if err := probe(filepath.Dir(path)); err != nil {
		return f.unwritable(err)
	}
	return nil
}

func (f BootFile) unwritable(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("the folder of %s is not there", f)
	}
	return fmt.Errorf("%s cannot be written: %w", f, cause(err))
}

// target follows links, also one to a file that is not there yet.
func (f BootFile) target() (string, error) {
	path := string(f)
	for range 40 { // as many as the system follows
		next, none := os.Readlink(path)
		if none != nil { // no link, or nothing there
			break
		}
		if !filepath.IsAbs(next) {
			next = filepath.Join(filepath.Dir(path), next)
		}
		path = next
	}
	if _, again := os.Readlink(path); again == nil {
		return "", fmt.Errorf("%s is a link that leads nowhere", f)
	}
	return path, nil
}

// Hash is what Kong would report after a start from the file (fact F2); empty when there is none.
func (f BootFile) Hash() (fleet.GatewayHash, error) {
	if f == "" {
		return "", nil
	}
	file, err := os.OpenFile(string(f), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("%s cannot be read: %w", f, cause(err))
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", f)
	}
	hash, err := fleet.GatewayHashFrom(file) // of any length: it may be somebody else's
	if err != nil {
		return "", fmt.Errorf("%s cannot be read: %w", f, cause(err))
	}
	return hash, nil
}

// Stamp tells one state of a file from another without reading it. The zero value is that of a file that is not there.
type Stamp struct {
	size     int64
	modified time.Time
	inode    uint64
}

// Stamp returns that of the file now.
func (f BootFile) Stamp() Stamp {
	info, err := os.Stat(string(f))
	if f == "" || err != nil {
		return Stamp{}
	}
	s := Stamp{size: info.Size(), modified: info.ModTime()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = sys.Ino
	}
	return s
}
