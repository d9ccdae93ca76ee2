package backup_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/silverback-gateway/silverback/kit/backup"
	"github.com/silverback-gateway/silverback/testkit/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var manifest = backup.Manifest{Time: time.Date(2026, 11, 30, 3, 0, 0, 0, time.UTC), Silverback: "test", Cluster: 1 << 63, Revision: 1234,
	Prefix: "/silverback/v1/", Epoch: 3}

// small returns a backup with a record, an object and, with a base, an object that the base has.
func small(t testing.TB, base *backup.Base) []byte {
	t.Helper()
	var out bytes.Buffer
	m := manifest
	m.Base = base
	w, err := backup.NewWriter(&out, m)
	must(t, err)
	must(t, w.Object("content/chunks/aa", 12, []byte("an object")))
	if base != nil {
		must(t, w.InBase("content/chunks/bb", [32]byte{1, 2, 3}))
	}
	must(t, w.Record("decided/assignments/default", 1200, []byte(`{"v":1,"value":{}}`)))
	must(t, w.Record("identity/groups/default", 7, nil))
	_, err = w.Close()
	must(t, err)
	return out.Bytes()
}

// readAll reads a backup to its end.
func readAll(text []byte, identities ...age.Identity) (seen []string, err error) {
	r, err := backup.Open(bytes.NewReader(text), identities)
	if err != nil {
		return nil, err
	}
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return seen, nil
		}
		if err != nil {
			return seen, err
		}
		seen = append(seen, fmt.Sprintf("%s@%d=%s", e.Key, e.Revision, e.Value))
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	seen, err := readAll(small(t, &backup.Base{File: "before"}))
	must(t, err)
	want := "content/chunks/aa@12=an object|content/chunks/bb@0=|" +
		`decided/assignments/default@1200={"v":1,"value":{}}|identity/groups/default@7=`
	if got := strings.Join(seen, "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	r, err := backup.NewReader(bytes.NewReader(small(t, nil)))
	must(t, err)
	if r.Manifest() != manifest {
		t.Errorf("the manifest is %+v", r.Manifest())
	}
}

func TestAWriterRefusesWhatNoReaderTakes(t *testing.T) {
	w, err := backup.NewWriter(io.Discard, manifest)
	must(t, err)
	must(t, w.Record("b", 1, nil))
	for name, err := range map[string]error{
		"a key that is not after the last": w.Record("a", 1, nil),
		"a key that comes twice":           w.Record("b", 1, nil),
		"a long key":                       w.Record("c"+strings.Repeat("x", 5000), 1, nil),
		"a large value":                    w.Record("c", 1, make([]byte, 17<<20)),
	} {
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// Whatever byte is lost, added or changed, the file is refused, and never read as another backup.
func TestADamagedFileIsRefused(t *testing.T) {
	whole := small(t, &backup.Base{File: "before"})
	for at := range whole {
		if _, err := readAll(whole[:at]); !errors.Is(err, backup.ErrTruncated) && !errors.Is(err, backup.ErrNoBackup) {
			t.Errorf("cut at byte %d: %v", at, err)
		}
		for bit := range 8 {
			flipped := bytes.Clone(whole)
			flipped[at] ^= 1 << bit
			_, err := readAll(flipped)
			if !errors.Is(err, backup.ErrDamaged) && !errors.Is(err, backup.ErrTruncated) && !errors.Is(err, backup.ErrNoBackup) &&
				!errors.Is(err, backup.ErrVersion) {
				t.Errorf("bit %d of byte %d changed: %v", bit, at, err)
			}
		}
	}
	if _, err := readAll(append(bytes.Clone(whole), 0)); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("a byte follows: %v", err)
	}
	if _, err := readAll(append(bytes.Clone(whole), whole...)); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("another backup follows: %v", err)
	}
}

// frames returns the frames of a backup.
func frames(t *testing.T, whole []byte) (line []byte, all [][]byte) {
	t.Helper()
	at := bytes.IndexByte(whole, '\n') + 1
	line = whole[:at]
	for at < len(whole) {
		n := 5 + int(binary.BigEndian.Uint32(whole[at+1:])) + 4
		all = append(all, whole[at:at+n])
		at += n
	}
	return line, all
}

// Frames that were left out, doubled or moved are whole each: the digest of the end finds them.
func TestFramesAreAllThereInTheirOrder(t *testing.T) {
	line, all := frames(t, small(t, nil))
	join := func(order ...int) []byte {
		out := bytes.Clone(line)
		for _, i := range order {
			out = append(out, all[i]...)
		}
		return out
	}
	if _, err := readAll(join(0, 1, 2, 3, 4)); err != nil {
		t.Fatal(err)
	}
	for _, order := range [][]int{{0, 1, 2, 4}, {0, 2, 1, 3, 4}, {0, 1, 1, 2, 3, 4}, {1, 2, 3, 4}, {0, 4}, {0, 0, 1, 2, 3, 4}, {4}} {
		if seen, err := readAll(join(order...)); !errors.Is(err, backup.ErrDamaged) {
			t.Errorf("frames %v: %v, and %v were seen", order, err, seen)
		}
	}
}

// frame returns a frame with a right checksum.
func frame(kind byte, length uint32, body []byte) []byte {
	f := append([]byte{kind, 0, 0, 0, 0}, body...)
	binary.BigEndian.PutUint32(f[1:], length)
	return binary.BigEndian.AppendUint32(f, crc32.Checksum(f, crc32.MakeTable(crc32.Castagnoli)))
}

// A hostile file has right checksums. Nothing is read that it does not have, and no memory is taken for what it only claims.
func TestAHostileFileIsRefused(t *testing.T) {
	line, all := frames(t, small(t, nil))
	with := func(f []byte) []byte { return append(append(bytes.Clone(line), all[0]...), f...) }
	entry := func(kind byte, body ...byte) []byte { return with(frame(kind, uint32(len(body)), body)) }
	for name, c := range map[string]struct {
		text []byte
		want error
	}{
		"a length of 4 GiB":               {with(frame('R', 1<<32-1, nil)), backup.ErrDamaged},
		"a length just above the bound":   {with(frame('R', 17<<20, nil)), backup.ErrDamaged},
		"a manifest of 1 MiB":             {append(bytes.Clone(line), frame('M', 1<<20, nil)...), backup.ErrDamaged},
		"a length beyond the file":        {with(frame('R', 1<<20, nil)), backup.ErrTruncated},
		"a frame of no kind":              {entry('X', 1, 'a', 1), backup.ErrDamaged},
		"a second manifest":               {with(all[0]), backup.ErrDamaged},
		"an empty record":                 {entry('R'), backup.ErrDamaged},
		"an empty key":                    {entry('R', 0, 1), backup.ErrDamaged},
		"a key beyond its frame":          {entry('R', 200, 'a'), backup.ErrDamaged},
		"a key of 2^63 bytes":             {entry('R', 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1), backup.ErrDamaged},
		"a length without an end":         {entry('R', 0x80), backup.ErrDamaged},
		"no revision":                     {entry('R', 1, 'a'), backup.ErrDamaged},
		"revision 0":                      {entry('R', 1, 'a', 0, 'v'), backup.ErrDamaged},
		"a revision above 2^63":           {entry('R', 1, 'a', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1), backup.ErrDamaged},
		"an object of a base without one": {entry('B', append([]byte{1, 'a'}, make([]byte, 32)...)...), backup.ErrDamaged},
		"a manifest that is no JSON":      {append(bytes.Clone(line), frame('M', 1, []byte("x"))...), backup.ErrDamaged},
		"an end that is no JSON":          {with(frame('E', 1, []byte("x"))), backup.ErrDamaged},
		"an end with a foreign digest":    {with(frame('E', 2, []byte("{}"))), backup.ErrDamaged},
		"a later version":                 {[]byte("silverback-backup 2\n" + string(all[0])), backup.ErrVersion},
		"a version of many digits":        {[]byte("silverback-backup " + strings.Repeat("9", 1<<10)), backup.ErrTruncated},
		"another file":                    {[]byte("_format_version: \"3.0\"\n"), backup.ErrNoBackup},
		"an empty file":                   {nil, backup.ErrNoBackup},
	} {
		if _, err := readAll(c.text); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestAnEncryptedBackupNeedsItsKey(t *testing.T) {
	ours, err := age.GenerateX25519Identity()
	must(t, err)
	other, err := age.GenerateX25519Identity()
	must(t, err)
	var out bytes.Buffer
	to, err := backup.Encrypt(&out, []age.Recipient{ours.Recipient()})
	must(t, err)
	_, err = to.Write(small(t, nil))
	must(t, err)
	must(t, to.Close())
	sealed := out.Bytes()
	if bytes.Contains(sealed, []byte("an object")) || bytes.Contains(sealed, []byte("default")) {
		t.Error("it holds plain text")
	}
	if seen, err := readAll(sealed, ours); err != nil || len(seen) != 3 {
		t.Errorf("with its key: %v, %v", seen, err)
	}
	if _, err := readAll(sealed); !errors.Is(err, backup.ErrEncrypted) || !strings.Contains(err.Error(), "--identity") {
		t.Errorf("without a key: %v", err)
	}
	if _, err := readAll(sealed, other); !errors.Is(err, backup.ErrEncrypted) || !strings.Contains(err.Error(), "none of the keys") {
		t.Errorf("with another key: %v", err)
	}
	for at := range sealed {
		flipped := bytes.Clone(sealed)
		flipped[at] ^= 0x20
		if seen, err := readAll(flipped, ours); err == nil {
			t.Errorf("byte %d changed: %v were seen", at, seen)
		}
		if seen, err := readAll(sealed[:at], ours); err == nil {
			t.Errorf("cut at byte %d: %v were seen", at, seen)
		}
	}
}

func TestKeysAreReadFromFiles(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	must(t, err)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	secret := write("key", "# created\n"+id.String()+"\n")
	if all, err := backup.Identities([]string{secret}); err != nil || len(all) != 1 {
		t.Errorf("%d identities, %v", len(all), err)
	}
	if all, err := backup.Recipients([]string{id.Recipient().String()}, []string{write("pub", id.Recipient().String())}); err != nil ||
		len(all) != 2 {
		t.Errorf("%d recipients, %v", len(all), err)
	}
	// Who mistakes the one for the other is told so, without the secret.
	if _, err := backup.Identities([]string{write("bad", id.String()[:40])}); err == nil || strings.Contains(err.Error(), id.String()[:40]) {
		t.Errorf("a broken secret key: %v", err)
	}
	if _, err := backup.Recipients([]string{"age1nonsense"}, nil); err == nil {
		t.Error("a public key that is none was taken")
	}
	if _, err := backup.Identities([]string{filepath.Join(dir, "missing")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// FuzzReader reads anything: it ends, takes bounded memory, and calls nothing complete that was not written.
func FuzzReader(f *testing.F) {
	f.Add(small(f, nil))
	f.Add(small(f, &backup.Base{File: "before"}))
	f.Add([]byte("silverback-backup 2\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := backup.NewReader(bytes.NewReader(text))
		if err != nil {
			return
		}
		var again bytes.Buffer
		w, err := backup.NewWriter(&again, r.Manifest())
		must(t, err)
		for {
			e, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return
			}
			switch {
			case e.InBase():
				err = w.InBase(e.Key, e.Sum)
			case e.IsObject():
				err = w.Object(e.Key, e.Revision, e.Value)
			default:
				err = w.Record(e.Key, e.Revision, e.Value)
			}
			must(t, err)
		}
		if _, err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if w.Counts() != r.Counts() {
			t.Errorf("%+v were read, and %+v are written", r.Counts(), w.Counts())
		}
	})
}
