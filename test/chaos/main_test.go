package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/test/process"
)

var binaries process.Binaries // built once, by TestMain

// foreignDistributor is a distributor whose wall clock can be wrong. It is built while the first tests run.
var foreignDistributor = sync.OnceValues(func() (process.ForeignClock, error) { return binaries.BuildForeign("distributor") })

// aheadTranslator is a translator of the same kind.
var aheadTranslator = sync.OnceValues(func() (process.ForeignClock, error) { return binaries.BuildForeign("translator") })

// foreignTranslator returns that translator, once it is built.
func foreignTranslator(t *testing.T) process.ForeignClock {
	t.Helper()
	clock, err := aheadTranslator()
	if err != nil {
		t.Fatal(err)
	}
	return clock
}

// foreignClock returns that distributor, once it is built.
func foreignClock(t *testing.T) process.ForeignClock {
	t.Helper()
	clock, err := foreignDistributor()
	if err != nil {
		t.Fatal(err)
	}
	return clock
}

func TestMain(m *testing.M) {
	if code, ran := process.OwnMounts(); ran {
		os.Exit(code)
	}
	var err error
	if binaries, err = process.Build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var building sync.WaitGroup
	building.Go(func() { _, _ = foreignDistributor() }) // who wants it first is told what is wrong with it
	code := m.Run()
	building.Wait()
	binaries.Remove()
	os.Exit(code)
}

// convergeTime bounds how long a fleet may take to serve again once nothing disturbs it any more.
const convergeTime = 45 * time.Second

// draw returns the source of all chance, by the seed of the environment or by a new one.
func draw(t *testing.T) *rand.Rand {
	t.Helper()
	seed, given := givenSeed(t)
	if !given {
		seed = rand.Uint64N(1 << 32)
	}
	t.Logf("SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// givenSeed returns the seed of the environment, when there is one.
func givenSeed(t *testing.T) (seed uint64, given bool) {
	t.Helper()
	for _, name := range []string{"SILVERBACK_CHAOS_SEED", "SEED"} {
		if text := os.Getenv(name); text != "" {
			seed, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				t.Fatalf("%s=%q: %v", name, text, err)
			}
			return seed, true
		}
	}
	return 0, false
}

// rounds is how often to go through all that a test has.
func rounds() int {
	n, err := strconv.Atoi(os.Getenv("CHAOS_ROUNDS"))
	if err != nil || n < 1 {
		return 1
	}
	return n
}

// document is a configuration whose routes the gateways answer themselves: /base always, and /round-n.
func document(round int) string {
	text := "_format_version: \"3.0\"\nroutes:\n"
	for _, name := range []string{"base", fmt.Sprintf("round-%d", round)} {
		text += fmt.Sprintf("- name: %s\n  paths: [/%s]\n  plugins:\n  - {name: request-termination, config: {status_code: 200, message: %s}}\n",
			name, name, name)
	}
	return text
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kong.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var committed = regexp.MustCompile(`revision (\d+) committed`)

// revision reads the number out of what apply printed.
func revision(t *testing.T, r process.Result) int64 {
	t.Helper()
	found := committed.FindStringSubmatch(r.Stdout)
	if found == nil {
		t.Fatalf("apply printed no revision: %+v", r)
	}
	n, _ := strconv.ParseInt(found[1], 10, 64)
	return n
}

// serving fails the test unless every gateway comes to serve a round.
func serving(t *testing.T, f *process.Fleet, revision int64, round int) {
	t.Helper()
	for _, g := range f.Gateways {
		process.Eventually(t, convergeTime, fmt.Sprintf("%s serves revision %d", g.Name, revision), func() error {
			if err := g.Serves(revision); err != nil {
				return err
			}
			status, body, err := g.Route(fmt.Sprintf("/round-%d", round))
			if err == nil && status != 200 {
				err = fmt.Errorf("the proxy answers %d: %s", status, body)
			}
			return err
		})
	}
}
