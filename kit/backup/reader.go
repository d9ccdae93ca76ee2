package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"strings"
)

// A Reader reads a backup. It believes nothing that the file says: lengths are bounded before memory is taken, every frame is checked
// before it is used, and the end before the backup counts as complete.
type Reader struct {
	from   *bufio.Reader
	sum    hash.Hash
	at     int64 // how many bytes were read
	last   string
	counts Counts
	buffer []byte
	body   []byte // of the last frame, in the buffer
	m      Manifest
	id     ID
	err    error // how reading ended
}

// NewReader reads the beginning of a backup that is not encrypted; see Open.
func NewReader(from io.Reader) (*Reader, error) {
	r := &Reader{from: bufio.NewReaderSize(from, 64<<10), sum: sha256.New()} //nolint:mnd // a buffer
	line, err := r.from.Peek(len(firstLine))
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("read the backup: %w", err)
	case bytes.HasPrefix(line, []byte(magic)) && string(line) != firstLine:
		return nil, r.otherVersion()
	case !bytes.HasPrefix(line, []byte(magic)):
		return nil, ErrNoBackup
	}
	if _, err := r.from.Discard(len(firstLine)); err != nil {
		return nil, fmt.Errorf("read the backup: %w", err)
	}
	r.sum.Write([]byte(firstLine))
	r.at = int64(len(firstLine))
	kind, frame, err := r.frame()
	if err != nil {
		return nil, err
	}
	r.sum.Write(frame)
	if kind != kindManifest {
		return nil, r.damaged("it does not begin with a manifest")
	}
	if err := json.Unmarshal(r.body, &r.m); err != nil {
		return nil, r.damaged("its manifest cannot be read")
	}
	return r, nil
}

// otherVersion reads the version of a format that is not this one.
func (r *Reader) otherVersion() error {
	line, _ := r.from.Peek(longestLine)
	text, _, whole := strings.Cut(strings.TrimPrefix(string(line), magic), "\n")
	if !whole {
		return ErrTruncated
	}
	return fmt.Errorf("%w: %q, and this command reads version %d; use the version of Silverback that made it", ErrVersion, text, Version)
}

// Manifest returns what the backup says of itself.
func (r *Reader) Manifest() Manifest { return r.m }

// ID returns the id of the backup once Next has returned io.EOF.
func (r *Reader) ID() ID { return r.id }

// Counts returns how much was read.
func (r *Reader) Counts() Counts { return r.counts }

// Next returns the next entry. It returns io.EOF after the last one, when the backup is complete and as it was written.
func (r *Reader) Next() (Entry, error) {
	if r.err != nil {
		return Entry{}, r.err
	}
	e, err := r.next()
	r.err = err
	return e, err
}

func (r *Reader) next() (Entry, error) {
	kind, frame, err := r.frame()
	if err != nil {
		return Entry{}, err
	}
	switch kind {
	case kindRecord, kindObject, kindInBase:
	case kindEnd:
		return Entry{}, r.end()
	default:
		return Entry{}, r.damaged(fmt.Sprintf("a frame of kind %q", kind))
	}
	r.sum.Write(frame)
	e, err := parseEntry(kind, r.body)
	switch {
	case err != nil:
		return Entry{}, r.damaged(err.Error())
	case e.Key <= r.last:
		return Entry{}, r.damaged(fmt.Sprintf("key %.100q comes after key %.100q", e.Key, r.last))
	case kind == kindInBase && r.m.Base == nil:
		return Entry{}, r.damaged("it names an object of a base, and has none")
	}
	r.last = e.Key
	r.counts.add(e)
	return e, nil
}

// end checks the last frame.
func (r *Reader) end() error {
	var last end
	if err := json.Unmarshal(r.body, &last); err != nil {
		return r.damaged("its end cannot be read")
	}
	r.id = ID(r.sum.Sum(nil))
	if last.Sum != r.id {
		return r.damaged("its SHA-256 is another one")
	}
	if last.Counts != r.counts {
		return r.damaged("it has another number of entries")
	}
	if _, err := r.from.ReadByte(); !errors.Is(err, io.EOF) {
		return r.damaged("something follows its end")
	}
	return io.EOF
}

// frame reads a frame and its body, and returns it whole. Both are valid until the next one.
func (r *Reader) frame() (kind byte, frame []byte, err error) {
	var head [headSize]byte
	if err := r.fill(head[:]); err != nil {
		return 0, nil, err
	}
	kind = head[0]
	size, limit := binary.BigEndian.Uint32(head[1:]), uint32(maxHead)
	if kind == kindRecord || kind == kindObject || kind == kindInBase {
		limit = maxKey + maxValue + 2*binary.MaxVarintLen64
	}
	if size > limit {
		return 0, nil, r.damaged(fmt.Sprintf("a frame of %d bytes, and %d are the most", size, limit))
	}
	need := headSize + int(size) + crcSize
	if cap(r.buffer) < need {
		r.buffer = make([]byte, need)
	}
	frame = r.buffer[:need]
	r.body = frame[headSize : need-crcSize]
	copy(frame, head[:])
	if err := r.fill(frame[headSize:]); err != nil {
		return 0, nil, err
	}
	if crc := frame[need-crcSize:]; binary.BigEndian.Uint32(crc) != crc32.Checksum(frame[:need-crcSize], castagnoli) {
		return 0, nil, r.damaged("the checksum of a frame is another one")
	}
	return kind, frame, nil
}

// fill reads exactly so many bytes.
func (r *Reader) fill(to []byte) error {
	n, err := io.ReadFull(r.from, to)
	r.at += int64(n)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w, after %d bytes", ErrTruncated, r.at)
	case err != nil:
		return fmt.Errorf("read the backup: %w", err)
	}
	return nil
}

func (r *Reader) damaged(what string) error {
	return fmt.Errorf("%w: up to byte %d: %s", ErrDamaged, r.at, what)
}
