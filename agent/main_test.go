package agent_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/silverback-gateway/silverback/testkit/leak"
)

func TestMain(m *testing.M) { leak.Main(m, binaries.remove) }

// binaries are built once for all tests.
var binaries built

type built struct {
	mu   sync.Mutex
	dir  string
	path map[string]string
}

func (b *built) remove() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dir != "" {
		_ = os.RemoveAll(b.dir)
	}
}

const (
	agentPackage = "./cmd/agent"
	kongPackage  = "github.com/silverback-gateway/silverback/testkit/cmd/kongsim"
)

// build makes a binary.
func build(t *testing.T, pkg string, flags ...string) string {
	t.Helper()
	b := &binaries
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dir == "" {
		dir, err := os.MkdirTemp("", "silverback-agent-test-")
		if err != nil {
			t.Fatal(err)
		}
		b.dir, b.path = dir, map[string]string{}
	}
	key := pkg + " " + strings.Join(flags, " ")
	if path := b.path[key]; path != "" {
		return path
	}
	path := filepath.Join(b.dir, fmt.Sprintf("%d-%s", len(b.path), filepath.Base(pkg)))
	args := append(append([]string{"build", "-buildvcs=false", "-o", path}, flags...), pkg)
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // what ships, also under the race detector, which needs cgo
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	b.path[key] = path
	return path
}
