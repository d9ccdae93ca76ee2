package lastgood_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
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

// What stands in the order's place is neither followed nor waited for, and gives way to the next order.
func TestAnOrderIsReadFromAFileOnly(t *testing.T) {
	for name, put := range map[string]func(at string) error{
		"a link":   func(at string) error { return os.Symlink("elsewhere", at) },
		"a pipe":   func(at string) error { return syscall.Mkfifo(at, 0o600) },
		"a folder": func(at string) error { return os.Mkdir(at, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := lastgood.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			if err := put(filepath.Join(dir, "drain")); err != nil {
				t.Fatal(err)
			}
			if o, err := s.RecallOrder(); !errors.Is(err, lastgood.ErrCorrupt) || o.Draining {
				t.Errorf("got %+v, %v", o, err)
			}
			want := lastgood.Order{Draining: true, Number: 1}
			if err := s.RememberOrder(want); err != nil {
				t.Fatal(err)
			}
			if o, err := s.RecallOrder(); err != nil || !o.Equal(want) {
				t.Errorf("got %+v, %v", o, err)
			}
		})
	}
}

// A directory that could not be taken at first is taken by whoever writes first: for the race detector.
func TestAnOrderIsWrittenBesideOtherFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := lastgood.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	for _, write := range []func() error{
		func() error { return s.RememberOrder(lastgood.Order{Number: 1}) },
		func() error { return s.Remember(lastgood.Memory{Decision: 1}) },
	} {
		both.Go(func() {
			if err := write(); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
}
