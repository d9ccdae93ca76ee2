package lastgood_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
)

func TestAnOrderIsRecalled(t *testing.T) {
	dir := t.TempDir()
	reopen := func() *lastgood.Store {
		s, err := lastgood.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := reopen()
	if o, err := s.RecallOrder(); err != nil || !o.Equal(lastgood.Order{}) {
		t.Errorf("before the first: %+v, %v", o, err)
	}
	want := lastgood.Order{Draining: true, Reason: "new disk", Since: time.Unix(1000, 5), Number: 3}
	if err := s.RememberOrder(want); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	s = reopen()
	defer func() { _ = s.Close() }()
	if o, err := s.RecallOrder(); err != nil || !o.Equal(want) {
		t.Errorf("got %+v, %v", o, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "drain"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if o, err := s.RecallOrder(); !errors.Is(err, lastgood.ErrCorrupt) || o.Draining {
		t.Errorf("of a damaged file: %+v, %v", o, err)
	}
}
