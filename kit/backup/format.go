package backup

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// Version is the version of the format that this package writes. It reads no other.
const Version = 1

const (
	magic     = "silverback-backup "
	firstLine = magic + "1\n"
	// longestLine bounds the first line of a file of a later version.
	longestLine = 32
	headSize    = 5
	crcSize     = 4
	// maxHead bounds the manifest and the end.
	maxHead = 64 << 10
	// maxKey and maxValue bound a record. etcd takes 1.5 MB in a request unless it was told otherwise.
	maxKey   = 4 << 10
	maxValue = 16 << 20
)

const (
	kindManifest = 'M'
	kindRecord   = 'R'
	kindObject   = 'O'
	kindInBase   = 'B'
	kindEnd      = 'E'
)

// Errors that a file ends with. All are wrapped with what is wrong and where.
var (
	// ErrNoBackup is a file of another kind.
	ErrNoBackup = errors.New("it is no backup of Silverback")
	// ErrVersion is a backup of another version of the format.
	ErrVersion = errors.New("its format has another version")
	// ErrDamaged is a file that is not as it was written.
	ErrDamaged = errors.New("the backup is damaged")
	// ErrTruncated is a file that ends before the end of the backup.
	ErrTruncated = errors.New("the backup is not complete: the file ends too early")
	// ErrEncrypted is an encrypted file without a key that opens it.
	ErrEncrypted = errors.New("the backup is encrypted")
)

// A Manifest says what a backup is of.
type Manifest struct {
	Time       time.Time   `json:"time"`           // when it began, by the clock of who made it; for people
	Silverback string      `json:"silverback"`     // the version that made it
	Cluster    uint64      `json:"cluster,string"` // the id of the etcd cluster
	Revision   int64       `json:"revision"`       // the etcd revision at which everything was read
	Prefix     string      `json:"prefix"`         // of every key in etcd; keys in the backup are without it
	Epoch      fleet.Epoch `json:"epoch"`          // of the ledger
	Base       *Base       `json:"base,omitempty"` // nil: the backup has everything
}

// A Base is the backup that has the objects which this one names only. It lies in the same folder.
type Base struct {
	ID   ID     `json:"id"`
	File string `json:"file"`
}

// An ID names a backup by what is in it.
type ID [sha256.Size]byte

// String returns the id in hexadecimal.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Short returns as much of the id as people compare.
func (id ID) Short() string { return id.String()[:12] }

// MarshalText implements encoding.TextMarshaler.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *ID) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(string(text))
	if err != nil || len(raw) != len(id) {
		return fmt.Errorf("%q is no id of a backup", text)
	}
	copy(id[:], raw)
	return nil
}

// end is the last frame.
type end struct {
	Counts
	Sum ID `json:"sha256"`
}

// Counts are how many frames of each kind a backup has.
type Counts struct {
	Records int64 `json:"records"`
	Objects int64 `json:"objects"`
	InBase  int64 `json:"in_base"`
}

func (c *Counts) add(e Entry) {
	switch e.kind {
	case kindRecord:
		c.Records++
	case kindObject:
		c.Objects++
	case kindInBase:
		c.InBase++
	}
}

// An Entry is a key with its value, or an object that the base has.
type Entry struct {
	Key      string
	Revision int64  // the etcd revision at which the value was written; 0 for an object of the base
	Value    []byte // valid until the next entry is read
	Sum      [sha256.Size]byte
	kind     byte
}

// IsObject reports whether the key names the content.
func (e Entry) IsObject() bool { return e.kind != kindRecord }

// InBase reports whether only the base has the value.
func (e Entry) InBase() bool { return e.kind == kindInBase }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendEntry appends the body of an entry.
func appendEntry(body []byte, e Entry) []byte {
	body = binary.AppendUvarint(body, uint64(len(e.Key)))
	body = append(body, e.Key...)
	if e.kind == kindInBase {
		return append(body, e.Sum[:]...)
	}
	body = binary.AppendUvarint(body, uint64(e.Revision)) //nolint:gosec // etcd's revisions are positive
	return append(body, e.Value...)
}

// parseEntry is the inverse of appendEntry. The value is a part of the body.
func parseEntry(kind byte, body []byte) (Entry, error) {
	size, n := binary.Uvarint(body)
	if n <= 0 || size == 0 || size > maxKey || size > uint64(len(body)-n) {
		return Entry{}, errors.New("an entry without a key")
	}
	e := Entry{kind: kind, Key: string(body[n : n+int(size)])} //nolint:gosec // at most maxKey
	body = body[n+int(size):]                                  //nolint:gosec // likewise
	if kind == kindInBase {
		if len(body) != sha256.Size {
			return Entry{}, errors.New("an object of the base without its digest")
		}
		copy(e.Sum[:], body)
		return e, nil
	}
	revision, n := binary.Uvarint(body)
	if n <= 0 || int64(revision) <= 0 { //nolint:gosec // a number above 2^63 becomes negative, and is refused
		return Entry{}, errors.New("an entry without a revision")
	}
	e.Revision, e.Value = int64(revision), body[n:] //nolint:gosec // likewise
	e.Sum = sha256.Sum256(e.Value)
	return e, nil
}
