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
	if err = os.Rename(f.Name(), path); err != nil {
		return taken, 0, err
	}
	// Until the folder is on the disk too, a power failure may take the file, and a schedule removes older ones next.
	if err := syncDir(filepath.Dir(path)); err != nil {
		return taken, 0, fmt.Errorf("%s is written, and may not outlive a power failure: %w", path, err)
	}
	return taken, size, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
