package outside_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const module = "github.com/silverback-gateway/silverback"

// buildTime bounds one go command. A machine without a build cache compiles gRPC in it.
const buildTime = 10 * time.Minute

// A toolchain runs go as someone does who has no checkout. Modules other than ours come from the machine's module cache, or from where its
// go command takes them.
type toolchain struct {
	version string // of our module, used by no other run
	env     []string
}

func newToolchain(t *testing.T) *toolchain {
	t.Helper()
	suffix := make([]byte, 6)
	_, _ = rand.Read(suffix)
	now := time.Now().UTC()
	tool := &toolchain{version: fmt.Sprintf("v0.0.0-%s-%s", now.Format("20060102150405"), hex.EncodeToString(suffix))}
	proxy := t.TempDir()
	serveModule(t, proxy, tool.version, now)
	settings := strings.Split(strings.TrimSpace(run(t, ".", nil, "go", "env", "GOMODCACHE", "GOPROXY")), "\n")
	cache, upstream := settings[0], settings[1]
	t.Cleanup(func() { forget(t, cache, tool.version) })
	tool.env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOTOOLCHAIN=local", "GOSUMDB=off", "GOPRIVATE=", "GONOPROXY=none",
		"GOPROXY="+fileURL(proxy)+","+fileURL(filepath.Join(cache, "cache", "download"))+","+upstream)
	return tool
}

func fileURL(dir string) string { return "file://" + filepath.ToSlash(dir) }

// run runs a command and returns its standard output.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), buildTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String()
}

// serveModule writes the tree into a folder in the layout of a module proxy (https://go.dev/ref/mod#goproxy-protocol).
func serveModule(t *testing.T, proxy, version string, now time.Time) {
	t.Helper()
	root := strings.TrimSpace(run(t, ".", nil, "git", "rev-parse", "--show-toplevel"))
	dir := filepath.Join(proxy, filepath.FromSlash(module), "@v")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	gomod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := zipModule(&archive, root, strings.Split(run(t, root, nil, "git", "ls-files", "-z"), "\x00"), module+"@"+version); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"list":            []byte(version + "\n"),
		version + ".info": fmt.Appendf(nil, `{"Version":%q,"Time":%q}`, version, now.Format(time.RFC3339)),
		version + ".mod":  gomod,
		version + ".zip":  archive.Bytes(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// zipModule archives the files of the module: those of modules below it, and what is no regular file, are left out.
func zipModule(w io.Writer, root string, files []string, prefix string) error {
	modules := map[string]bool{}
	for _, name := range files {
		if path.Base(name) == "go.mod" && name != "go.mod" {
			modules[path.Dir(name)] = true
		}
	}
	archive := zip.NewWriter(w)
	for _, name := range files {
		info, err := os.Lstat(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil || !info.Mode().IsRegular() || below(name, modules) {
			continue // a file that git tracks and nobody has is about to be removed
		}
		content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		entry, err := archive.CreateHeader(&zip.FileHeader{Name: prefix + "/" + name, Method: zip.Store})
		if err != nil {
			return err
		}
		if _, err := entry.Write(content); err != nil {
			return err
		}
	}
	return archive.Close()
}

func below(name string, modules map[string]bool) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if modules[dir] {
			return true
		}
	}
	return false
}

// forget removes one version of our module from the module cache, whose folders are read-only.
func forget(t *testing.T, cache, version string) {
	extracted := filepath.Join(cache, filepath.FromSlash(module)+"@"+version)
	_ = filepath.WalkDir(extracted, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(name, 0o700) //nolint:gosec // a folder
		}
		return err
	})
	if err := os.RemoveAll(extracted); err != nil {
		t.Error(err)
	}
	downloads := filepath.Join(cache, "cache", "download", filepath.FromSlash(module), "@v")
	if list, err := os.ReadFile(filepath.Join(downloads, "list")); err == nil {
		list = bytes.ReplaceAll(list, []byte(version+"\n"), nil)
		if err := os.WriteFile(filepath.Join(downloads, "list"), list, 0o600); err != nil {
			t.Error(err)
		}
	}
	downloaded, _ := filepath.Glob(filepath.Join(downloads, version+".*"))
	for _, name := range downloaded {
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
}
