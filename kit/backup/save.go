package backup

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Save writes a backup into a file that appears when it is complete, readable for its owner only. It replaces none.
func Save(path string, write func(io.Writer) (Taken, error)) (taken Taken, size int64, err error) {
	if _, err := os.Lstat(path); err == nil {
		return taken, 0, fmt.Errorf("%s exists, and no backup replaces another", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // readable for its owner only
	if err != nil {
		return taken, 0, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if taken, err = write(f); err != nil {
		return taken, 0, err
	}
	if size, err = f.Seek(0, io.SeekEnd); err != nil {
		return taken, 0, err
	}
	if err = errors.Join(f.Sync(), f.Close()); err != nil {
		return taken, 0, err
	}
	return taken, size, os.Rename(f.Name(), path)
}
