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
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// Snapshot names a snapshot and how the node came to it.
type Snapshot struct {
	Digest   fleet.Digest   `json:"digest"`
	Revision fleet.Revision `json:"revision"`
	Epoch    fleet.Epoch    `json:"epoch,omitempty"`
	Decision fleet.Decision `json:"decision"`
	Term     fleet.Term     `json:"term"`
	TermID   fleet.TermID   `json:"term_id,omitempty"`
}

// Stamp is the place of the decision that asked for the snapshot among all decisions.
func (s Snapshot) Stamp() fleet.Stamp {
	return fleet.Stamp{Epoch: s.Epoch, Decision: s.Decision, Term: s.Term, TermID: s.TermID}
}

// maxFile bounds the size of a file: a snapshot and its header.
const maxFile = snapshot.MaxSize + 16<<20

// ErrCorrupt means that a file exists and does not hold what was written.
var ErrCorrupt = errors.New("the file is damaged")

// A file begins with who wrote it and in which version of the format.
const (
	author = "silverback-agent "
	magic  = author + "1 "
)

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
	if ok && !ours && bytes.HasPrefix(first, []byte(author)) {
		return nil, fmt.Errorf("%w: another version of the agent wrote it", ErrCorrupt)
	}
	if !ok || !ours {
		return nil, fmt.Errorf("%w: it is not a file of the agent", ErrCorrupt)
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

// readFile reads a regular file of the agent. It follows no links.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%w: it is a symbolic link", ErrCorrupt)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: it is not a regular file", ErrCorrupt)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrCorrupt, maxFile)
	}
	content := make([]byte, info.Size())
	if _, err := io.ReadFull(f, content); err != nil {
		return nil, err
	}
	return content, nil
}

// cause removes the path from an error. The paths of temporary files say nothing and differ each time.
func cause(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

// probeBytes is the size of a probe. A full disk still takes an empty file.
const probeBytes = 64 << 10

// probe writes and removes a file in a folder.
func probe(dir string) error {
	f, err := os.CreateTemp(dir, ".silverback.tmp-*")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, probeBytes))
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// writeFile replaces a file atomically: a reader sees the old content or the new, also after a power failure.
func writeFile(path string, mode fs.FileMode, parts ...[]byte) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".tmp-*")
	if err != nil {
		return err
	}
	err = tmp.Chmod(mode)
	for _, part := range parts {
		if err == nil {
			_, err = tmp.Write(part)
		}
	}
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
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
