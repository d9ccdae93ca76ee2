package docs_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// listens finds the default of a flag that says where a process listens: the flags of servers, and those whose names end in "listen".
var listens = regexp.MustCompile(`(?:AddFlags\([^\n"]*|listen", )"127\.0\.0\.1:(\d+)"`)

// labPorts are those of the replicas that a lab has.
const firstLabPort, lastLabPort = 7440, 7458

// TestNoTwoDefaultPortsAreTheSame holds the defaults of all binaries to each other, to the ports of a lab, and to the table of the page.
func TestNoTwoDefaultPortsAreTheSame(t *testing.T) {
	base := root(t)
	found := map[int]string{}
	for _, folder := range []string{"services", "agent", "lab/cmd", "sources"} {
		err := filepath.WalkDir(filepath.Join(base, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, match := range listens.FindAllStringSubmatch(string(text), -1) {
				port, err := strconv.Atoi(match[1])
				if err != nil {
					return err
				}
				if other, taken := found[port]; taken {
					t.Errorf("port %d is the default in %s and in %s", port, other, path)
				}
				found[port] = path
				if port >= firstLabPort && port <= lastLabPort && !strings.HasPrefix(path, filepath.Join(base, "services")) &&
					!strings.HasPrefix(path, filepath.Join(base, "agent")) {
					t.Errorf("port %d, the default in %s, is one of a lab", port, path)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(found) < 12 {
		t.Errorf("%d defaults were found: %v", len(found), found)
	}
	_, table, _ := strings.Cut(page(t, "configuration.md"), "\n## Ports\n")
	table, _, _ = strings.Cut(table, "\n## ")
	told := map[string]bool{}
	for _, row := range rows(table) {
		for port := range strings.SplitSeq(row[0], ", ") {
			told[port] = true
		}
	}
	for port, path := range found {
		if !told[fmt.Sprint(port)] {
			t.Errorf("the table of docs/configuration.md lacks port %d of %s", port, path)
		}
	}
}
