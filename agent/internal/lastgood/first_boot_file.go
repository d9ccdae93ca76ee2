package lastgood

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/silverback-gateway/silverback/kong/proof"
)

// BeforeSuffix is the suffix of the copy of the boot file from before the first snapshot.
const BeforeSuffix = ".before-silverback"

// Before is the path of the copy of the boot file from before the first snapshot.
func (f BootFile) Before() string { return string(f) + BeforeSuffix }

// keepFirst copies a boot file that is not ours, once, before it is overwritten, so that Kong can be started with it again
// after Silverback is removed. An existing copy is never changed. A file with the reserved route is ours.
func (f BootFile) keepFirst(path string) error {
	before := f.Before()
	if _, err := os.Lstat(before); err == nil {
		return nil
	}
	from, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return f.unkept(err)
	}
	defer func() { _ = from.Close() }()
	info, err := from.Stat()
	if err != nil || info.Size() == 0 {
		return f.unkept(err)
	}
	if ours, err := mentions(from, []byte(proof.RouteName)); err != nil || ours {
		return f.unkept(err)
	}
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return f.unkept(err)
	}
	// A link creates the copy atomically, and never replaces an existing one.
	tmp, err := os.CreateTemp(filepath.Dir(before), "."+filepath.Base(before)+".tmp-")
	if err != nil {
		return f.unkept(err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = io.Copy(tmp, from)
	err = errors.Join(err, tmp.Chmod(info.Mode().Perm()&BootMode), tmp.Sync(), tmp.Close())
	if err == nil {
		if err = os.Link(tmp.Name(), before); errors.Is(err, fs.ErrExist) {
			return nil
		}
	}
	if err != nil {
		// The file system may have no links. A rename would replace an existing copy.
		if _, there := os.Lstat(before); there == nil {
			return nil
		}
		err = os.Rename(tmp.Name(), before)
	}
	if err != nil {
		return f.unkept(err)
	}
	return syncDir(filepath.Dir(before))
}

func (f BootFile) unkept(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the previous boot file cannot be kept as %s: %w", f.Before(), cause(err))
}

// mentions reports whether a file of any length contains a word.
func mentions(from io.Reader, word []byte) (bool, error) {
	buf := make([]byte, 64<<10)
	kept := 0
	for {
		n, err := from.Read(buf[kept:])
		if bytes.Contains(buf[:kept+n], word) {
			return true, nil
		}
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		tail := min(kept+n, len(word)-1)
		copy(buf, buf[kept+n-tail:kept+n])
		kept = tail
	}
}
