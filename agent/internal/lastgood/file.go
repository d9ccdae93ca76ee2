// Package lastgood keeps, on the node's own disk, what the gateway was last proven to serve, one generation before it,
// the candidate that is being tried, what the agent must remember between runs, and Kong's boot file. Every file is
// written whole beside its place, flushed, and renamed; every file is verified when read. It never judges a snapshot.
package lastgood

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// Snapshot names a snapshot and how the node came to it.
type Snapshot struct {
	Digest   fleet.Digest   `json:"digest"`
	Revision fleet.Revision `json:"revision"`
	Decision fleet.Decision `json:"decision"`
	Term     fleet.Term     `json:"term"`
}

// ErrCorrupt marks a file that is there and not what was written.
var ErrCorrupt = errors.New("the file is damaged")

const magic = "silverback-agent 1 "

// encode frames a header and a body: a first line with the SHA-256 of all that follows, a line of JSON, the body.
func encode(header any, body []byte) (first, second []byte, err error) {
	second, err = json.Marshal(header)
	if err != nil {
		return nil, nil, err
	}
	second = append(second, '\n')
	h := sha256.New()
	h.Write(second)
	h.Write(body)
	return []byte(magic + hex.EncodeToString(h.Sum(nil)) + "\n"), second, nil
}

// decode checks a framed file and returns its body, which shares memory with content.
func decode(content []byte, header any) ([]byte, error) {
	first, rest, ok := bytes.Cut(content, []byte("\n"))
	sum, ours := bytes.CutPrefix(first, []byte(magic))
	if !ok || !ours {
		return nil, fmt.Errorf("%w: it does not start as ours do", ErrCorrupt)
	}
	if got := sha256.Sum256(rest); hex.EncodeToString(got[:]) != string(sum) {
		return nil, fmt.Errorf("%w: its checksum differs", ErrCorrupt)
	}
	line, body, ok := bytes.Cut(rest, []byte("\n"))
	if !ok || json.Unmarshal(line, header) != nil {
		return nil, fmt.Errorf("%w: its header cannot be read", ErrCorrupt)
	}
	return body, nil
}

// writeFile puts a file in its place atomically: whoever reads sees the old content or the new, also after a power cut.
func writeFile(path string, mode fs.FileMode, parts ...[]byte) (err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".tmp-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tmp.Close()
			_ = os.Remove(tmp.Name())
		}
	}()
	if err = tmp.Chmod(mode); err != nil {
		return err
	}
	for _, part := range parts {
		if _, err = tmp.Write(part); err != nil {
			return err
		}
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes renames in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
