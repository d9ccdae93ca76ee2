// Command commits checks the messages of the commits that a branch adds: `area: what changed`, and a body when more than a few lines
// change.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// Limits of a message. A change of up to fewLines needs no body.
const (
	subjectLimit = 100
	bodyLimit    = 145
	fewLines     = 20
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: commits BASE")
		os.Exit(2)
	}
	n, err := run(context.Background(), os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "commits:", err)
		os.Exit(1)
	}
	fmt.Printf("commits: %d since %s\n", n, os.Args[1])
}

// run checks the commits that HEAD has and base has not, and counts them. Merges are not checked.
func run(ctx context.Context, base string) (int, error) {
	out, err := git(ctx, "log", "--no-merges", "--format=%x02%h%x01%B%x01", "--numstat", base+"..HEAD")
	if err != nil {
		return 0, err
	}
	commits, err := parse(out)
	if err != nil {
		return 0, err
	}
	var problems []error
	for _, c := range commits {
		for _, p := range c.problems() {
			problems = append(problems, fmt.Errorf("%s %q: %s", c.hash, c.subject(), p))
		}
	}
	return len(commits), errors.Join(problems...)
}

func git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return string(out), nil
}

// A commit is what a message is judged by.
type commit struct {
	hash, message string
	lines         int // added and removed, generated files and checksums left out
}

func (c commit) subject() string {
	subject, _, _ := strings.Cut(c.message, "\n")
	return subject
}

// parse reads what git log prints in run.
func parse(out string) ([]commit, error) {
	var commits []commit
	for _, record := range strings.Split(out, "\x02")[1:] {
		fields := strings.SplitN(record, "\x01", 3)
		if len(fields) != 3 {
			return nil, fmt.Errorf("read the log: %w", io.ErrUnexpectedEOF)
		}
		c := commit{hash: fields[0], message: strings.TrimSpace(fields[1])}
		for line := range strings.Lines(strings.TrimSpace(fields[2])) {
			columns := strings.SplitN(strings.TrimSpace(line), "\t", 3)
			if len(columns) != 3 || generated(columns[2]) {
				continue
			}
			for _, column := range columns[:2] {
				n, _ := strconv.Atoi(column) // binary files have a dash
				c.lines += n
			}
		}
		commits = append(commits, c)
	}
	return commits, nil
}

func generated(path string) bool {
	return strings.HasPrefix(path, "proto/gen/") || strings.HasSuffix(path, "go.sum") || strings.Contains(path, "testdata/")
}

var subjectForm = regexp.MustCompile(`^[a-z0-9_./,-]+( [a-z0-9_./,-]+)?: \S.*[^.\s]$`)

// problems lists what is wrong with a message.
func (c commit) problems() []string {
	var found []string
	subject := c.subject()
	if !subjectForm.MatchString(subject) {
		found = append(found, "the subject is not `area: what changed` without a period at the end")
	}
	if n := len([]rune(subject)); n > subjectLimit {
		found = append(found, fmt.Sprintf("the subject has %d characters, at most %d are allowed", n, subjectLimit))
	}
	rest := strings.TrimPrefix(c.message, subject)
	body := strings.TrimSpace(rest)
	if body != "" && !strings.HasPrefix(rest, "\n\n") {
		found = append(found, "an empty line must stand between subject and body")
	}
	if body == "" && c.lines > fewLines {
		found = append(found, fmt.Sprintf("%d lines change: a body must say why, and how it was tested", c.lines))
	}
	for line := range strings.Lines(body) {
		if n := len([]rune(strings.TrimSpace(line))); n > bodyLimit && strings.Contains(strings.TrimSpace(line), " ") {
			found = append(found, fmt.Sprintf("a line of the body has %d characters, at most %d are allowed", n, bodyLimit))
			break
		}
	}
	return found
}
