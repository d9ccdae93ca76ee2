package lastgood

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// FuzzFiles: whatever is in the files of the agent, with a checksum that is right, it starts, and what it recalled it can write and recall.
func FuzzFiles(f *testing.F) {
	snapshot, body := content(1)
	for _, header := range []any{
		snapshot, Memory{Epoch: 1, Decision: 7, Term: 3, Refused: []Refused{{Digest: snapshot.Digest}}, Serving: snapshot,
			Known: []Known{{Digest: snapshot.Digest}}},
		Order{Draining: true, Reason: "new disk", Number: 3},
	} {
		_, line, err := encode(header, body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append(line, body...), true)
		f.Add(line, true)
		f.Add(line, false)
	}
	f.Add([]byte("{\"decision\":-1,\"refused\":[{}]}\n"), true)
	f.Add([]byte(nil), false)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, rest []byte, framed bool) {
		text := rest
		if framed {
			sum := sha256.Sum256(rest)
			text = append([]byte(magic+hex.EncodeToString(sum[:])+"\n"), rest...)
		}
		for _, name := range []string{currentFile, previousFile, candidateFile, memoryFile, orderFile} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := Open(dir)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("the agent does not start: %v", err)
			}
			return
		}
		defer func() { _ = s.Close() }()
		if _, err := s.RecallOrder(); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("the order: %v", err)
		}
		m, err := s.Recall()
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("the memory: %v", err)
		}
		if err := s.Remember(m); err != nil {
			t.Fatal(err)
		}
		again, err := s.Recall()
		before, _ := json.Marshal(m)
		after, _ := json.Marshal(again)
		if err != nil || !bytes.Equal(before, after) {
			t.Fatalf("%s became %s, %v", before, after, err)
		}
		if got, who, err := s.read(currentFile); err == nil && !bytes.HasSuffix(rest, got) {
			t.Fatalf("%v has other bytes than the file", who)
		}
	})
}
