package corpus_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/lab"
	"github.com/silverback-gateway/silverback/test/e2e/labfleet"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

var (
	binaries process.Binaries // built once, by TestMain
	update   = flag.Bool("update", false, "write the table of docs/corpus.md")
)

func TestMain(m *testing.M) {
	flag.Parse()
	var err error
	if binaries, err = process.Build("silverback"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	binaries.Remove()
	os.Exit(code)
}

// classesOf maps a reason of the index to the classes of problems that stand for it.
var classesOf = map[string][]string{
	"dangling-reference": {"CLASS_DANGLING_REFERENCE"},
	"schema":             {"CLASS_WRONG_TYPE", "CLASS_UNKNOWN_FIELD", "CLASS_MISSING_FIELD", "CLASS_BAD_VALUE", "CLASS_UNSUPPORTED"},
	"scope":              {"CLASS_SCOPE"},
	"empty":              {"CLASS_EMPTY"},
	"yaml-syntax":        {"CLASS_SYNTAX"},
	"version":            {"CLASS_VERSION"},
	"env":                {"CLASS_ENV"},
	"policy":             {"CLASS_UNSUPPORTED", "CLASS_UNKNOWN_FIELD", "CLASS_WRONG_TYPE", "CLASS_MISSING_FIELD", "CLASS_BAD_VALUE"},
}

// judged starts a fleet whose gateways show what a real Kong 3.9.3 was recorded to show under /schemas, and judge by it, and returns when
// the translators do too.
func judged(t *testing.T) *labfleet.Fleet {
	t.Helper()
	fleet := labfleet.Start(t, binaries, lab.Config{Gateways: 2, Schemas: shared.SchemaDir(t)})
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("_format_version: \"3.0\"\nplugins:\n- name: no-such-plugin\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	process.Eventually(t, time.Minute, "the translators have the gateways' schemas", func() error {
		for range 4 { // whichever replica answers
			if r := fleet.CLI.Run(t, "validate", "-g", lab.Group, bad); r.Code != 2 {
				return fmt.Errorf("exit code %d: %s", r.Code, r.Stderr)
			}
		}
		return nil
	})
	return fleet
}

// TestCorpus submits every file of the corpus to one fleet, one after the other, and compares what comes of it with the index.
func TestCorpus(t *testing.T) {
	files := readIndex(t)
	fleet := judged(t)
	table := newTable()
	for _, f := range files {
		table.add(f.row(), f.Name, strings.ReplaceAll(submit(t, fleet, f), f.dir+"/", ""))
	}
	table.compare(t, "corpus")
}

// submit applies one file and says what became of it: "" is as the index has it.
func submit(t *testing.T, fleet *labfleet.Fleet, f file) string {
	t.Helper()
	cli := fleet.CLI
	for _, name := range f.Env {
		cli.Env = append(cli.Env, name+"="+mock(name))
	}
	args := append([]string{"apply", "-g", lab.Group, "--allow-shrink", "--wait", "-o", "json"}, f.paths()...)
	r := cli.Run(t, args...)
	if f.list == "invalid" || f.Expect == "accept-file-reject-snapshot" {
		if r.Code != 2 || strings.Contains(r.Stdout, "revision") {
			return fmt.Sprintf("not refused: exit %d: %s", r.Code, firstLine(r.Stderr))
		}
		want := f.ReasonClass
		if want == "" {
			want = "dangling-reference"
		}
		return reason(t, cli, f, want)
	}
	if r.Code != 0 {
		return fmt.Sprintf("exit %d: %s", r.Code, firstLine(r.Stderr))
	}
	var answer struct {
		Revision struct {
			Number   int64
			Digest   string
			Entities map[string]int64
		}
	}
	if err := json.Unmarshal([]byte(r.Stdout), &answer); err != nil {
		return fmt.Sprintf("apply -o json printed what is not JSON: %v", err)
	}
	if err := fleet.Serving(answer.Revision.Number); err != nil {
		return err.Error()
	}
	// What the gateway made of it: independent of what the translator says of itself.
	for _, m := range fleet.Gateways() {
		if v := m.Agent.Status(); v.Digest != answer.Revision.Digest {
			return fmt.Sprintf("%s serves %s", m.Name, v.Digest)
		}
		var held map[string]json.RawMessage
		if err := json.Unmarshal(m.Simulated.Config(), &held); err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"services", "routes", "consumers", "upstreams", "targets", "certificates", "plugins"} {
			if got, want := count(held[kind])-reserved(kind), f.Entities[kind]; got < want {
				return fmt.Sprintf("%s holds %d %s of %d", m.Name, got, kind, want)
			}
		}
	}
	return ""
}

// reserved is how many entities of a kind the agent adds for its proof.
func reserved(kind string) int {
	switch kind {
	case "routes", "plugins":
		return 1
	}
	return 0
}

func count(raw json.RawMessage) int {
	var list []json.RawMessage
	_ = json.Unmarshal(raw, &list) // absent is none
	return len(list)
}

// reason compares the class of a refusal with the one of the index.
func reason(t *testing.T, cli process.CLI, f file, want string) string {
	t.Helper()
	r := cli.Run(t, append([]string{"validate", "-g", lab.Group, "-o", "json"}, f.paths()...)...)
	if want == "env" && r.Code == 2 && strings.Contains(r.Stderr, "DECK_") {
		return "" // the client refuses the template; nothing was sent
	}
	var answer struct {
		Problems []struct{ Class, Message string }
	}
	if err := json.Unmarshal([]byte(r.Stdout), &answer); err != nil {
		return fmt.Sprintf("validate: exit %d: %s", r.Code, firstLine(r.Stderr))
	}
	var got []string
	for _, p := range answer.Problems {
		if slices.Contains(classesOf[want], p.Class) {
			return ""
		}
		got = append(got, p.Class+" "+p.Message)
	}
	return fmt.Sprintf("refused for another reason: %q", got)
}

// mock is decK's own mock of a variable: booleans are false, the rest is a name that a host can have.
func mock(name string) string {
	if strings.HasSuffix(name, "ENABLED") {
		return "false"
	}
	return strings.ToLower(strings.ReplaceAll(name, "_", "-"))
}

func firstLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	keep := slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "revision ") || strings.HasPrefix(l, "warning: ") })
	return strings.Join(keep[:min(len(keep), 2)], "; ")
}
