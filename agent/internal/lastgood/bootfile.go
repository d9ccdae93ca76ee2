package lastgood

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// BootFile is the path of the file that Kong's declarative_config names: every start of Kong returns to it (fact F30), so
// it holds the posted bytes of the last known good. An empty path writes nothing.
type BootFile string

// Kong may run as another user of the same group.
const bootMode fs.FileMode = 0o640

// Write puts posted bytes in place, unless they are there. Whoever reads sees the old file or the new one.
func (f BootFile) Write(posted []byte) error {
	if f == "" {
		return nil
	}
	mode := bootMode
	info, err := os.Stat(string(f))
	switch {
	case err == nil:
		mode = info.Mode().Perm() // as its owner wants it
		if info.Size() == int64(len(posted)) {
			if there, err := os.ReadFile(string(f)); err == nil && bytes.Equal(there, posted) {
				return nil
			}
		}
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("write boot file: %w", err)
	}
	if err := writeFile(string(f), mode, posted); err != nil {
		return fmt.Errorf("write boot file: %w", err)
	}
	return nil
}
