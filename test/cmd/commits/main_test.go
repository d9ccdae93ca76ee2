package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestMessages(t *testing.T) {
	for _, c := range []struct {
		name    string
		message string
		lines   int
		want    []string // parts of the problems, in order
	}{
		{"a small change needs no body", "agent: name the file that is missing", 20, nil},
		{"a large one with a body", "services/registry, cli: list nodes by label\n\nPeople look for zones.\nTested: component test.", 500, nil},
		{"an area of two words", "test chaos: wait for the post", 3, nil},
		{"a large one without", "agent: rework", 21, []string{"21 lines change: a body must say why"}},
		{"no area", "Fix the tests", 1, []string{"the subject is not"}},
		{"an area in capitals", "Agent: fix the tests", 1, []string{"the subject is not"}},
		{"nothing said", "agent: ", 1, []string{"the subject is not"}},
		{"a period at the end", "agent: fix the tests.", 1, []string{"the subject is not"}},
		{"a long subject", "agent: " + strings.Repeat("x", 100), 1, []string{"the subject has 107 characters"}},
		{"no empty line", "agent: fix the tests\nbecause", 1, []string{"an empty line"}},
		{"a long line", "agent: fix\n\n" + strings.Repeat("word ", 30), 1, []string{"a line of the body has 149"}},
		{"a long address", "agent: fix\n\nhttps://" + strings.Repeat("x", 200), 1, nil},
	} {
		got := commit{message: strings.TrimSpace(c.message), lines: c.lines}.problems()
		if !slices.EqualFunc(got, c.want, strings.HasPrefix) && !slices.EqualFunc(got, c.want, strings.Contains) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestCommitsOfABranch(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	run1 := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	run1("init", "-q", "-b", "main")
	run1("commit", "-q", "--allow-empty", "-m", "Whatever came before")
	run1("checkout", "-q", "-b", "work")
	run1("commit", "-q", "--allow-empty", "-m", "agent: one")
	run1("commit", "-q", "--allow-empty", "-m", "agent: two\n\nWith a body.")
	if n, err := run(t.Context(), "main"); n != 2 || err != nil {
		t.Errorf("good commits: %d, %v", n, err)
	}
	run1("commit", "-q", "--allow-empty", "-m", "Three")
	if _, err := run(t.Context(), "main"); err == nil || !strings.Contains(err.Error(), `"Three": the subject is not`) {
		t.Errorf("a bad commit: %v", err)
	}
	if _, err := run(t.Context(), "nowhere"); err == nil {
		t.Error("a base that does not exist was taken")
	}
}

func TestGeneratedLinesDoNotCount(t *testing.T) {
	got, err := parse("\x02abc\x01agent: fix\n\x01\n3\t4\tagent/a.go\n-\t-\tlogo.png\n900\t0\tproto/gen/a.pb.go\n5\t5\tgo.sum\n")
	if err != nil || len(got) != 1 || got[0].lines != 7 || got[0].hash != "abc" {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := parse("\x02abc"); err == nil {
		t.Error("a cut log was taken")
	}
}
