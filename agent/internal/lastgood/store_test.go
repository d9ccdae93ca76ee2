package lastgood

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func content(i int) (Snapshot, []byte) {
	body := fmt.Appendf(nil, "{\"_format_version\":\"3.0\"} %d\n", i)
	return Snapshot{Digest: fleet.DigestOf(body), Revision: fleet.Revision(i), Decision: fleet.Decision(10 * i), Term: 1}, body
}

func save(t *testing.T, s *Store, i int) {
	t.Helper()
	if err := trySave(s, i); err != nil {
		t.Fatal(err)
	}
}

func trySave(s *Store, i int) error {
	snapshot, body := content(i)
	s.Receive(snapshot.Digest, body)
	if _, err := s.WriteCandidate(snapshot, nil); err != nil {
		return err
	}
	return s.Promote(snapshot)
}

func TestGenerations(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, ok := s.LastGood(); ok {
		t.Error("a new directory holds something")
	}
	for i := 1; i <= 3; i++ {
		save(t, s, i)
	}
	_ = s.Close()
	s = open(t, dir)
	third, body := content(3)
	if got, ok := s.LastGood(); !ok || got != third {
		t.Errorf("last known good %+v", got)
	}
	if got, err := s.Bytes(third.Digest); err != nil || !bytes.Equal(got, body) {
		t.Errorf("%q, %v", got, err)
	}
	second, _ := content(2)
	if _, err := s.Bytes(second.Digest); err != nil {
		t.Error("the generation before is gone")
	}
	first, _ := content(1)
	if _, err := s.Bytes(first.Digest); err == nil {
		t.Error("more than one generation is kept")
	}
}

func TestReceivedBytesAreKeptUntilWritten(t *testing.T) {
	s := open(t, t.TempDir())
	snapshot, body := content(1)
	s.Receive(snapshot.Digest, body)
	if got, err := s.Bytes(snapshot.Digest); err != nil || !bytes.Equal(got, body) {
		t.Fatal(err)
	}
	if _, err := s.WriteCandidate(snapshot, nil); err != nil {
		t.Fatal(err)
	}
	if s.received != nil {
		t.Error("it stays in memory")
	}
	if _, err := s.Bytes(snapshot.Digest); err != nil || s.Held() != snapshot.Digest {
		t.Errorf("the candidate is not held: %v", err)
	}
}

func TestOnlyOneAgent(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	if _, err := Open(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v", err)
	}
}

// A file cut or changed anywhere is found, and the generation before is given.
func TestEveryDamageIsFound(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	save(t, s, 1)
	save(t, s, 2)
	_ = s.Close()
	path := filepath.Join(dir, currentFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first, firstBody := content(1)
	check := func(what string, damaged []byte) {
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		defer func() { _ = s.Close() }()
		if got, ok := s.LastGood(); !ok || got != first || s.Damage() == "" {
			t.Errorf("%s: last known good %+v, damage %q", what, got, s.Damage())
		}
		if got, err := s.Bytes(first.Digest); err != nil || !bytes.Equal(got, firstBody) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range whole {
		check(fmt.Sprintf("cut at %d", i), whole[:i])
		changed := bytes.Clone(whole)
		changed[i] ^= 0x20
		check(fmt.Sprintf("changed at %d", i), changed)
	}
	check("longer", append(bytes.Clone(whole), 'x'))
}

func TestDamagedFileDoesNotReplaceTheGoodGeneration(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	save(t, s, 1)
	save(t, s, 2)
	_ = s.Close()
	if err := os.WriteFile(filepath.Join(dir, currentFile), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	save(t, s, 3)
	first, _ := content(1)
	if _, err := s.Bytes(first.Digest); err != nil {
		t.Errorf("the good generation before is gone: %v", err)
	}
	if s.Damage() != "" {
		t.Errorf("damage %q after a good one was saved", s.Damage())
	}
}

func TestDamageWhileRunning(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	save(t, s, 1)
	save(t, s, 2)
	if err := os.Truncate(filepath.Join(dir, currentFile), 100); err != nil {
		t.Fatal(err)
	}
	second, _ := content(2)
	if _, err := s.Bytes(second.Digest); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v", err)
	}
	if got, _ := s.LastGood(); got.Revision != 1 || s.Damage() == "" {
		t.Errorf("last known good %+v", got)
	}
}

// An agent that dies at any step leaves the old last known good or the new one, and the next agent goes on.
func TestTheProcessEndsAtEveryStep(t *testing.T) {
	first, _ := content(1)
	second, _ := content(2)
	for _, step := range []string{"before-write", "after-link", "before-rename", "after-rename"} {
		t.Run(step, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			save(t, s, 1)
			died := errors.New("died")
			s.fail = func(at string) error {
				if at == step {
					return died
				}
				return nil
			}
			if err := trySave(s, 2); !errors.Is(err, died) {
				t.Fatalf("got %v", err)
			}
			_ = s.Close()
			s = open(t, dir)
			got, ok := s.LastGood()
			if !ok || got != first && got != second || s.Damage() != "" {
				t.Errorf("last known good %+v, damage %q", got, s.Damage())
			}
			save(t, s, 3)
			entries, err := os.ReadDir(dir)
			if err != nil || len(entries) > 5 {
				t.Errorf("%d files: leftovers stay", len(entries))
			}
		})
	}
}

// Another group gets its decisions in other terms: what the ends of its terms say is not about a decision of this one.
func TestTheTermIsOfTheGroup(t *testing.T) {
	m := Memory{}.In("edge").Follow(Snapshot{Decision: 7, Term: 3, TermID: 33})
	if same := m.In("edge"); same.Stamp() != m.Stamp() || same.TermID != 33 {
		t.Errorf("in the same group: %+v", same)
	}
	if moved := m.In("inner"); moved.TermID != 0 || moved.Decision != 7 || moved.Group != "inner" {
		t.Errorf("in another group: %+v", moved)
	}
	if earlier := (Memory{Decision: 7, Term: 3}).In("edge"); earlier.Decision != 7 || earlier.Group != "edge" {
		t.Errorf("of an agent that knew no groups: %+v", earlier)
	}
}

func TestMemory(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	save(t, s, 4)
	want := Memory{Decision: 77, Term: 3, Refused: []Refused{{Digest: "d", Problems: []verdict.Problem{{Kind: "route", Message: "m"}}}},
		Form: "worker"}
	if err := s.Remember(want); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Recall(); err != nil || got.Decision != 77 || len(got.Refused) != 1 || got.Refused[0].Problems[0].Kind != "route" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := os.Truncate(filepath.Join(dir, memoryFile), 30); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Recall(); !errors.Is(err, ErrCorrupt) || got.Decision != 40 {
		t.Errorf("a damaged memory gives %+v, %v; want the decision of the last known good", got, err)
	}
}

// TestFilesThatAreTooLargeAreNotRead: what is on the disk is not trusted to be what was written, and must not fill the memory.
func TestFilesThatAreTooLargeAreNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 256<<20); err != nil { // it takes no room
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := readFile(path)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v", err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("it took %d bytes", took)
	}
	runtime.ReadMemStats(&before)
	_, err = BootFile(path).Hash() // somebody else's boot file may be of any length
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; err != nil || took > 1<<20 {
		t.Errorf("hashing the boot file took %d bytes: %v", took, err)
	}
	if _, err := BootFile(t.TempDir()).Hash(); err == nil {
		t.Error("a folder has a hash")
	}
}

func TestBootFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kong.json")
	f := BootFile(path)
	if err := f.Write([]byte("a")); err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(path)
	if err := f.Write([]byte("a")); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.Stat(path); !os.SameFile(before, after) {
		t.Error("the same content was written again")
	}
	if err := BootFile(filepath.Join(path, "no", "such")).Write(nil); err == nil {
		t.Error("a path that cannot be")
	}
}

// The file is written, found to be there, or only narrowed: it is never wider than 0640 afterwards, and never wider than it was.
func TestModeOfTheBootFile(t *testing.T) {
	for before, want := range map[fs.FileMode]fs.FileMode{
		0o644: 0o640, 0o666: 0o640, 0o777: 0o640, 0o660: 0o640, 0o641: 0o640, 0o604: 0o600, 0o640: 0o640, 0o600: 0o600, 0o440: 0o440,
	} {
		for name, do := range map[string]func(BootFile) error{
			"other content": func(f BootFile) error { return f.Write([]byte("b")) },
			"the same":      func(f BootFile) error { return f.Write([]byte("a")) },
			"not written":   BootFile.Narrow,
		} {
			f := BootFile(filepath.Join(t.TempDir(), "kong.json"))
			if err := f.Write([]byte("a")); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(string(f), before); err != nil {
				t.Fatal(err)
			}
			stamp := f.Stamp()
			if got := f.Wide(); (got != 0) != (before != want) || got != 0 && got != before {
				t.Errorf("%04o counts as wide: %04o", before, got)
			}
			if err := do(f); err != nil {
				t.Errorf("%s, %04o: %v", name, before, err)
			}
			if info, err := os.Stat(string(f)); err != nil || info.Mode().Perm() != want || f.Wide() != 0 {
				t.Errorf("%s: %04o became %v (%v), want %04o", name, before, info.Mode(), err, want)
			}
			if before != want && f.Stamp() == stamp {
				t.Errorf("%s: the stamp does not tell %04o from %04o", name, before, want)
			}
		}
	}
	if f := BootFile(""); f.Wide() != 0 || f.Narrow() != nil {
		t.Error("no boot file has a mode")
	}
}

func TestFilesOfTheStateAreNarrowed(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{currentFile, memoryFile} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, currentFile), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if got, want := s.Narrowed(), filepath.Join(dir, currentFile)+" had mode 0644"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if info, err := os.Stat(filepath.Join(dir, currentFile)); err != nil || info.Mode().Perm() != privateMode {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
