package process

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// foreignClock is the variable of the environment that says by how many seconds the wall clock of a binary by BuildForeign is wrong.
const foreignClock = "FOREIGN_CLOCK"

// foreignPackage is laid over the tree beside the packages that ask for the time. The monotonic reading stays as it is: no clock of a
// machine that was set wrong changes that.
const foreignPackage = `package foreign

import (
	"os"
	"strconv"
	"time"
	"unsafe"
)

var wrong = func() int64 {
	text := os.Getenv("FOREIGN_CLOCK")
	seconds, err := strconv.ParseInt(text, 10, 64)
	if text != "" && err != nil {
		panic(err)
	}
	return seconds
}()

func Now() time.Time {
	t := time.Now()
	// The first word of a time with a monotonic reading holds the seconds of the wall clock, above 30 bits of nanoseconds.
	*(*uint64)(unsafe.Pointer(&t)) += uint64(wrong) << 30
	return t
}

func Since(t time.Time) time.Duration { return Now().Sub(t) }
func Until(t time.Time) time.Duration { return t.Sub(Now()) }
`

// BuildForeign builds a service once more, as one whose wall clock can be wrong. Nothing in the tree knows of it: calls of the clock in the
// service and in kit are laid over for this build. It returns how to start a process on that clock.
func (b Binaries) BuildForeign(service string) (ForeignClock, error) {
	root, err := repositoryRoot()
	if err != nil {
		return ForeignClock{}, err
	}
	over := filepath.Join(b.own, "foreign-"+service)
	replace := map[string]string{}
	put := func(path, text string) error {
		file := filepath.Join(over, fmt.Sprintf("%d.go", len(replace)))
		replace[path] = file
		return os.WriteFile(file, []byte(text), 0o600)
	}
	err = os.Mkdir(over, 0o700)
	if err == nil {
		err = put(filepath.Join(root, "kit/foreign/foreign.go"), foreignPackage)
	}
	for _, part := range []string{"kit", "services/" + service} {
		if err != nil {
			break
		}
		err = filepath.WalkDir(filepath.Join(root, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path) //nolint:gosec // a file of this tree
			if changed := onForeignClock(string(text)); err == nil && changed != string(text) {
				err = put(path, changed)
			}
			return err
		})
	}
	if err != nil {
		return ForeignClock{}, fmt.Errorf("lay a clock over %s: %w", service, err)
	}
	overlay := filepath.Join(over, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err == nil {
		err = os.WriteFile(overlay, text, 0o600)
	}
	if err != nil {
		return ForeignClock{}, fmt.Errorf("lay a clock over %s: %w", service, err)
	}
	path := filepath.Join(over, service)
	if err := goBuild(root, "-overlay="+overlay, "-o", path, packages[service]); err != nil {
		return ForeignClock{}, fmt.Errorf("build %s on another clock: %w", service, err)
	}
	return ForeignClock{plain: b.Path(service), path: path}, nil
}

// onForeignClock has a file ask the clock that is laid over. It is returned as it is when it asks for no time.
func onForeignClock(text string) string {
	const imported = "\t\"time\"\n"
	asks := strings.NewReplacer("time.Now", "foreign.Now", "time.Since(", "foreign.Since(", "time.Until(", "foreign.Until(").Replace(text)
	if asks == text || !strings.Contains(text, imported) {
		return text
	}
	// The other import may be needed no more.
	return strings.Replace(asks, imported, "\t\"github.com/silverback-gateway/silverback/kit/foreign\"\n"+imported, 1) + "\nvar _ time.Time\n"
}

// A ForeignClock is the binary of a service whose wall clock can be wrong.
type ForeignClock struct{ plain, path string }

// Set starts a process of the service again, with a wall clock that is ahead by so much; 0 is the plain binary again.
func (c ForeignClock) Set(p *Process, ahead time.Duration) {
	p.path, p.env = c.plain, nil
	if ahead != 0 {
		p.path, p.env = c.path, []string{fmt.Sprintf("%s=%d", foreignClock, int(ahead.Seconds()))}
	}
	p.Restart()
}
