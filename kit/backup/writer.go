package backup

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
)

// A Writer writes a backup. Without Close it is not complete, and no reader takes it.
type Writer struct {
	to     io.Writer
	sum    hash.Hash
	last   string
	counts Counts
	frame  []byte
}

// NewWriter writes the beginning of a backup.
func NewWriter(to io.Writer, m Manifest) (*Writer, error) {
	w := &Writer{to: to, sum: sha256.New()}
	w.frame = append(w.frame, firstLine...)
	if err := w.flush(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode the manifest: %w", err)
	}
	return w, w.write(kindManifest, func(body []byte) []byte { return append(body, text...) })
}

// Record adds a record. Keys come in ascending order, records and objects together.
func (w *Writer) Record(key string, revision int64, value []byte) error {
	return w.add(Entry{kind: kindRecord, Key: key, Revision: revision, Value: value})
}

// Object adds an object.
func (w *Writer) Object(key string, revision int64, value []byte) error {
	return w.add(Entry{kind: kindObject, Key: key, Revision: revision, Value: value})
}

// InBase adds an object by its name only: the base has it.
func (w *Writer) InBase(key string, sum [sha256.Size]byte) error {
	return w.add(Entry{kind: kindInBase, Key: key, Sum: sum})
}

func (w *Writer) add(e Entry) error {
	switch {
	case len(e.Key) > maxKey:
		return fmt.Errorf("key %.100q… has %d bytes, and a backup takes %d", e.Key, len(e.Key), maxKey)
	case len(e.Value) > maxValue:
		return fmt.Errorf("the value of key %q has %d bytes, and a backup takes %d", e.Key, len(e.Value), maxValue)
	case e.Key <= w.last:
		return fmt.Errorf("key %q comes after key %q, which is not before it", e.Key, w.last)
	}
	w.last = e.Key
	w.counts.add(e)
	return w.write(e.kind, func(body []byte) []byte { return appendEntry(body, e) })
}

// Close writes the end, and returns the id of the backup. It does not close what is written to.
func (w *Writer) Close() (ID, error) {
	id := ID(w.sum.Sum(nil))
	text, err := json.Marshal(end{Counts: w.counts, Sum: id})
	if err != nil {
		return id, fmt.Errorf("encode the end: %w", err)
	}
	return id, w.write(kindEnd, func(body []byte) []byte { return append(body, text...) })
}

// Counts returns how much was written.
func (w *Writer) Counts() Counts { return w.counts }

func (w *Writer) write(kind byte, body func([]byte) []byte) error {
	w.frame = body(append(w.frame[:0], kind, 0, 0, 0, 0))
	binary.BigEndian.PutUint32(w.frame[1:], uint32(len(w.frame)-headSize)) //nolint:gosec // bounded by the lengths of a record
	w.frame = binary.BigEndian.AppendUint32(w.frame, crc32.Checksum(w.frame, castagnoli))
	return w.flush()
}

func (w *Writer) flush() error {
	w.sum.Write(w.frame)
	if _, err := w.to.Write(w.frame); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	w.frame = w.frame[:0]
	return nil
}
