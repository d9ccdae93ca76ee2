package lastgood

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// The files of a state directory. They hold secrets, as the configuration does.
const (
	lockFile      = "lock"
	candidateFile = "candidate"
	currentFile   = "last-known-good"
	previousFile  = "previous"
	memoryFile    = "memory"

	privateMode fs.FileMode = 0o600
)

// ErrLocked means that another agent uses the state directory.
var ErrLocked = errors.New("another agent uses the state directory")

// Store is a state directory. It is safe for concurrent use; between calls it holds no snapshot in memory but one that
// was received and not yet written.
type Store struct {
	dir   string
	locks []*os.File              // empty when the directory could not be taken yet
	fail  func(step string) error // a failpoint of tests; nil otherwise

	mu       sync.Mutex
	current  Snapshot // zero when there is none, or none that can be read
	previous Snapshot
	pending  Snapshot // the candidate on disk
	received []byte   // newest received, not on disk yet
	incoming fleet.Digest
	damage   []string
	narrowed []string
}

// Open takes the directory for this process, makes it when it is not there, and verifies what it holds. The only error
// is ErrLocked. Damaged files are none, see Damage; nor is a directory that cannot be written, or not be had at all: what
// it holds can be read, and every write tries again, see Check.
func Open(dir string) (*Store, error) {
	s := &Store{dir: dir}
	if err := s.take(); errors.Is(err, ErrLocked) {
		return nil, fmt.Errorf("open state directory %s: %w", dir, err)
	}
	s.sweep()
	s.narrow()
	for name, into := range map[string]*Snapshot{currentFile: &s.current, previousFile: &s.previous, candidateFile: &s.pending} {
		_, snapshot, err := s.read(name)
		switch {
		case err == nil:
			*into = snapshot
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
			s.damage = append(s.damage, fmt.Sprintf("%s: %v", name, cause(err)))
			s.moveAside(name)
		}
	}
	slices.Sort(s.damage)
	return s, nil
}

// take creates the directory and locks it. It locks the directory itself, which needs no write access, and the lock file, which
// older agents lock.
func (s *Store) take() error {
	if len(s.locks) > 0 {
		return nil
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	dir, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	locks := []*os.File{dir}
	if file, err := os.OpenFile(s.path(lockFile), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, privateMode); err == nil {
		locks = append(locks, file)
	}
	for _, lock := range locks {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrLocked
		}
		if err != nil {
			for _, lock := range locks {
				_ = lock.Close()
			}
			return err
		}
	}
	s.locks = locks
	return nil
}

// narrow makes existing files private. They may be copies with a wider mode.
func (s *Store) narrow() {
	for _, name := range []string{lockFile, candidateFile, currentFile, previousFile, memoryFile, orderFile, targetsFile, bootIDFile} {
		info, err := os.Lstat(s.path(name))
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if mode := wide(info, privateMode); mode != 0 && os.Chmod(s.path(name), mode&privateMode) == nil {
			s.narrowed = append(s.narrowed, fmt.Sprintf("%s had mode %04o", s.path(name), mode))
		}
	}
}

// Narrowed lists the files whose mode Open narrowed; empty when there are none.
func (s *Store) Narrowed() string { return strings.Join(s.narrowed, "; ") }

// moveAside renames a directory that is in the place of a file.
func (s *Store) moveAside(name string) {
	if info, err := os.Lstat(s.path(name)); err == nil && info.IsDir() {
		_ = os.Rename(s.path(name), fmt.Sprintf("%s.aside-%d", s.path(name), time.Now().UnixNano()))
	}
}

// Check returns an error when the directory is not locked or cannot be written. It writes a file and removes it.
func (s *Store) Check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.take()
	if err == nil {
		err = probe(s.dir)
	}
	if err != nil {
		return s.unwritable(err)
	}
	return nil
}

func (s *Store) unwritable(err error) error {
	return fmt.Errorf("the state directory %s cannot be written: %w", s.dir, cause(err))
}

// sweep removes the temporary files of interrupted writes.
func (s *Store) sweep() {
	entries, _ := os.ReadDir(s.dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") && strings.Contains(e.Name(), ".tmp-") {
			_ = os.Remove(filepath.Join(s.dir, e.Name()))
		}
	}
}

// Close releases the directory.
func (s *Store) Close() error {
	var failed error
	for _, lock := range s.locks {
		failed = errors.Join(failed, lock.Close())
	}
	return failed
}

// SetFailpoint sets a function that is called before each step of a write, so that a test can end the process there. Call it before
// the store is used.
func (s *Store) SetFailpoint(reached func(step string)) {
	s.fail = func(step string) error {
		reached(step)
		return nil
	}
}

// Damage lists the files that are damaged; empty when there are none.
func (s *Store) Damage() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.damage, "; ")
}

// LastGood names the newest snapshot that can be read: the last known good, or the generation before it when that is
// damaged. False when there is neither.
func (s *Store) LastGood() (Snapshot, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current.Digest != "" {
		return s.current, true
	}
	return s.previous, s.previous.Digest != ""
}

// Pending names the candidate on disk that was not saved as the last known good: a load of it was interrupted, or failed,
// or was refused. False when there is none.
func (s *Store) Pending() (Snapshot, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending, s.pending.Digest != "" && s.pending.Digest != s.current.Digest
}

// Held names a snapshot that Bytes returns, as the base of a delta; empty when there is none.
func (s *Store) Held() fleet.Digest {
	if good, ok := s.LastGood(); ok {
		return good.Digest
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending.Digest
}

// Receive keeps a snapshot in memory until it is written or another one is received. The bytes must not be modified.
func (s *Store) Receive(digest fleet.Digest, canonical []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.incoming, s.received = digest, canonical
}

// Bytes returns the verified canonical bytes of a snapshot in any file of the store. It reads them from disk at each call.
func (s *Store) Bytes(digest fleet.Digest) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes(digest)
}

func (s *Store) bytes(digest fleet.Digest) ([]byte, error) {
	if digest == "" {
		return nil, fs.ErrNotExist
	}
	if s.incoming == digest {
		return s.received, nil
	}
	err := fs.ErrNotExist
	for name, there := range map[string]Snapshot{currentFile: s.current, previousFile: s.previous, candidateFile: s.pending} {
		if there.Digest != digest {
			continue
		}
		var body []byte
		var found Snapshot
		if body, found, err = s.read(name); err == nil && found.Digest == digest {
			return body, nil
		}
		if name == currentFile && (errors.Is(err, ErrCorrupt) || errors.Is(err, fs.ErrNotExist)) {
			// The previous generation becomes the last known good.
			s.damage = append(s.damage, fmt.Sprintf("%s: %v", name, cause(err)))
			s.current = Snapshot{}
		}
	}
	return nil, fmt.Errorf("snapshot %s: %w", digest.Short(), err)
}

// WriteCandidate makes a snapshot the candidate, durably, and returns its bytes. When body is nil they must have been
// received, or be on disk already.
func (s *Store) WriteCandidate(snapshot Snapshot, body []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if body == nil {
		var err error
		if body, err = s.bytes(snapshot.Digest); err != nil {
			return nil, err
		}
	}
	// The last known good under another decision needs no second copy.
	if s.pending != snapshot && s.current.Digest != snapshot.Digest {
		if err := s.write(candidateFile, snapshot, body); err != nil {
			return nil, err
		}
		s.pending = snapshot
	}
	if s.incoming == snapshot.Digest {
		s.incoming, s.received = "", nil
	}
	return body, nil
}

// Promote makes the candidate the last known good, and what was last known good the generation before. At each moment
// at least one of the two can be read. Promoting content that is last known good already changes nothing on disk; under
// which revision it came back is for Remember to keep.
func (s *Store) Promote(snapshot Snapshot) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current.Digest == snapshot.Digest {
		return nil
	}
	if s.pending != snapshot {
		return fmt.Errorf("promote %s: it is not the candidate", snapshot.Digest.Short())
	}
	// A damaged file must not take the place of a good one.
	if s.current.Digest != "" {
		if err := s.shift(); err != nil {
			return s.unwritable(err)
		}
		s.previous = s.current
	}
	if err := s.step("before-rename"); err != nil {
		return err
	}
	if err := os.Rename(s.path(candidateFile), s.path(currentFile)); err != nil {
		return s.unwritable(err)
	}
	s.current, s.pending = snapshot, Snapshot{}
	s.damage = nil
	if err := s.step("after-rename"); err != nil {
		return err
	}
	return syncDir(s.dir)
}

// shift gives the last known good a second name, so that it is never without one.
func (s *Store) shift() error {
	tmp := s.path("." + previousFile + ".tmp-link")
	_ = os.Remove(tmp)
	if err := os.Link(s.path(currentFile), tmp); err != nil {
		// A file system without links: copy.
		content, err := os.ReadFile(s.path(currentFile))
		if err != nil {
			return err
		}
		return writeFile(s.path(previousFile), privateMode, content)
	}
	if err := s.step("after-link"); err != nil {
		return err
	}
	return os.Rename(tmp, s.path(previousFile))
}

func (s *Store) write(name string, header any, body []byte) error {
	first, second, err := encode(header, body)
	if err != nil {
		return err
	}
	if err := s.step("before-write"); err != nil {
		return err
	}
	if err := s.take(); err != nil {
		return s.unwritable(err)
	}
	if err := writeFile(s.path(name), privateMode, first, second, body); err != nil {
		return s.unwritable(err)
	}
	return nil
}

func (s *Store) read(name string) ([]byte, Snapshot, error) {
	var snapshot Snapshot
	content, err := readFile(s.path(name))
	if err != nil {
		return nil, snapshot, err
	}
	body, err := decode(content, &snapshot)
	if err != nil {
		return nil, snapshot, err
	}
	if fleet.DigestOf(body) != snapshot.Digest {
		return nil, snapshot, fmt.Errorf("%w: its digest differs", ErrCorrupt)
	}
	return body, snapshot, nil
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Store) step(name string) error {
	if s.fail == nil {
		return nil
	}
	return s.fail(name)
}
