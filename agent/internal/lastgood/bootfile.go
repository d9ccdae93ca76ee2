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

// BootMode is the widest mode of a boot file: it holds secrets, and Kong may run as another user of the same group.
const BootMode fs.FileMode = 0o640

// Write replaces the file with posted bytes, unless it holds them with a mode that is not too wide. A reader sees the old file or the
// new one.
func (f BootFile) Write(posted []byte) error {
	if f == "" {
		return nil
	}
	path, err := f.target()
	if err != nil {
		return err
	}
	mode := BootMode
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", f)
	case err == nil:
		mode &= info.Mode().Perm() // a narrower mode is kept
		if info.Mode().Perm() == mode && info.Size() == int64(len(posted)) {
			if there, err := os.ReadFile(path); err == nil && bytes.Equal(there, posted) {
				return nil
			}
		}
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s cannot be read: %w", f, cause(err))
	}
	if err := f.keepFirst(path); err != nil {
		return err
	}
	if err := writeFile(path, mode, posted); err != nil {
		return f.unwritable(err)
	}
	return nil
}

// Wide is the mode of the file when it is wider than BootMode, else zero.
func (f BootFile) Wide() fs.FileMode {
	info, err := os.Stat(string(f))
	if f == "" || err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return wide(info, BootMode)
}

// Narrow limits the mode to BootMode, and leaves the content as it is. Only the owner of a file can.
func (f BootFile) Narrow() error {
	mode := f.Wide()
	if mode == 0 {
		return nil
	}
	if err := os.Chmod(string(f), mode&BootMode); err != nil {
		return fmt.Errorf("%s has mode %04o, which cannot be narrowed: %w", f, mode, cause(err))
	}
	return nil
}

// wide is the mode of a file when it is wider than allowed, else zero.
func wide(info fs.FileInfo, allowed fs.FileMode) fs.FileMode {
	if mode := info.Mode().Perm(); mode&^allowed != 0 {
		return mode
	}
	return 0
}

// Check returns an error when the file could not be written now. It tests the folder and does not touch the file.
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
		return fmt.Errorf("the folder of %s does not exist", f)
	}
	return fmt.Errorf("%s cannot be written: %w", f, cause(err))
}

// target follows links, also to a file that does not exist yet.
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
		return "", fmt.Errorf("%s is a dangling symbolic link", f)
	}
	return path, nil
}

// Hash is the hash that Kong reports after a start from the file (fact F2); empty without a file.
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
	hash, err := fleet.GatewayHashFrom(file) // of any length, because another program may have written it
	if err != nil {
		return "", fmt.Errorf("%s cannot be read: %w", f, cause(err))
	}
	return hash, nil
}

// Stamp identifies the state of a file without reading it. The zero value is that of a file that does not exist.
type Stamp struct {
	size     int64
	mode     fs.FileMode
	modified time.Time
	inode    uint64
}

// Stamp returns that of the file now.
func (f BootFile) Stamp() Stamp {
	info, err := os.Stat(string(f))
	if f == "" || err != nil {
		return Stamp{}
	}
	s := Stamp{size: info.Size(), mode: info.Mode(), modified: info.ModTime()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = sys.Ino
	}
	return s
}
