package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// kongImage is the gateway that everything here is deployed with: 3.9.1 lacks fixes for seven CVEs, and no version after it is open source.
const kongImage = "kong:3.9.3"

var kongTag = regexp.MustCompile(`\bkong:\d+\.\d+[\w.-]*`)

// TestOneVersionOfKongIsDeployed holds that no file of a deployment and no page names another image.
func TestOneVersionOfKongIsDeployed(t *testing.T) {
	top := root(t)
	deployed := 0
	for _, folder := range []string{"deploy", "docs", "README.md"} {
		err := filepath.WalkDir(filepath.Join(top, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, found := range kongTag.FindAllString(string(text), -1) {
				if found != kongImage {
					t.Errorf("%s names %s, want %s", strings.TrimPrefix(path, top), found, kongImage)
				}
				if strings.Contains(path, "deploy") {
					deployed++
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if deployed < 3 {
		t.Errorf("%d files of deployments name the image, want the compose file and both containers of the gateway", deployed)
	}
}
