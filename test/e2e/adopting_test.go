package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

const adopting = "../../docs/adopting.md"

// TestAdoptingAsThePageSays follows docs/adopting.md word for word: gateways that serve a kong.yml of their own are joined, imported,
// changed and let go again. Meanwhile clients ask all of them, and none is answered otherwise than before.
func TestAdoptingAsThePageSays(t *testing.T) {
	page, err := os.ReadFile(adopting)
	if err != nil {
		t.Fatal(err)
	}
	steps, files := readPage(string(page))
	f := process.StartFleet(t, binaries, etcdtest.Start(t).Endpoints, process.Config{
		Registries: 2, Translators: 1, Distributors: 2, Gateways: 3, BootFile: func(string) string { return files["kong.yml"] },
	})
	for _, g := range f.Gateways {
		process.Eventually(t, time.Minute, g.Name+" is ready although it serves something of its own",
			func() error { return process.Ready("http://" + g.HTTP + "/readyz") })
		process.Eventually(t, time.Minute, g.Name+" is unmanaged", func() error {
			if out := f.CLI().Run(t, "get", "nodes", "-g", process.Group).Stdout; strings.Count(out, "unmanaged") != len(f.Gateways) {
				return fmt.Errorf("nodes are\n%s", out)
			}
			return nil
		})
	}
	clients := askAll(t, f.Gateways)
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range steps {
		out := shell(t, f, dir, s.command)
		if lacking := lacks(out, s.output); strings.HasPrefix(s.command, "silverback get") || strings.HasPrefix(s.command, "silverback status") {
			if lacking != "" {
				t.Errorf("$ %s\nprints\n%s\nand the page says %s", s.command, out, lacking)
			}
		} else if got, want := normal(out), normal(s.output); got != want {
			t.Errorf("$ %s\nprints\n%s\nand the page says\n%s", s.command, out, s.output)
		}
	}
	clients()
	for _, g := range f.Gateways {
		if got, err := os.ReadFile(g.BootFile + ".before-silverback"); err != nil || string(got) != files["kong.yml"] {
			t.Errorf("%s: the first boot file is not kept: %v", g.Name, err)
		}
	}
	// Out again: the agents go, and Kong starts from what was dumped.
	dumped, err := os.ReadFile(filepath.Join(dir, "leaving.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range f.Gateways {
		g.Agent.Stop()
		if err := os.WriteFile(g.BootFile, dumped, 0o600); err != nil {
			t.Fatal(err)
		}
		g.Kong.Stop()
		g.Kong.Restart()
		process.Eventually(t, time.Minute, g.Name+" answers", g.KongReady)
		for path, want := range map[string]string{"/orders": "orders", "/payments": "payments"} {
			if code, body, err := ask(g.Proxy + path); err != nil || code != http.StatusOK || !strings.Contains(body, want) {
				t.Errorf("%s%s without Silverback: %d %q %v", g.Name, path, code, body, err)
			}
		}
	}
}

type step struct{ command, output string }

var (
	fenced = regexp.MustCompile("(?ms)^```(console|yaml)\n(.*?)^```$")
	titled = regexp.MustCompile(`(?m)\A# (\S+)\n`)
)

// readPage returns what a page has its reader type, with what that prints, and the files that it shows: their first line is a comment with
// their name.
func readPage(page string) (steps []step, files map[string]string) {
	files = map[string]string{}
	for _, block := range fenced.FindAllStringSubmatch(page, -1) {
		if block[1] == "yaml" {
			if name := titled.FindStringSubmatch(block[2]); name != nil {
				files[name[1]] = block[2]
			}
			continue
		}
		for line := range strings.Lines(block[2]) {
			if command, is := strings.CutPrefix(line, "$ "); is {
				steps = append(steps, step{command: strings.TrimSpace(command)})
			} else if len(steps) > 0 {
				steps[len(steps)-1].output += line
			}
		}
	}
	return steps, files
}

// shell runs a command as the page's reader does.
func shell(t *testing.T, f *process.Fleet, dir, command string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), process.CommandTime)
	defer cancel()
	cli := f.CLI()
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(cli.Path)+":"+os.Getenv("PATH"), "NO_COLOR=1", "SILVERBACK_REGISTRY="+
		strings.Join(cli.Registry, ","),
		"SILVERBACK_TRANSLATOR="+strings.Join(cli.Translator, ","), "SILVERBACK_DISTRIBUTOR="+strings.Join(cli.Distributor, ","))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run() // how it ended shows in what it printed
	t.Logf("$ %s\n%s", command, out.String())
	return out.String()
}

var changing = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`(?m)^revision [0-9]+: .*\n`), ""}, // how far it was when it was looked at
	{regexp.MustCompile(`(?m)^    .*\n`), ""},              // values, of which more are shown once the gateways' schemas are known
	{regexp.MustCompile(`\b[0-9a-f]{12}\b`), "DIGEST"},
	{regexp.MustCompile(`\b[0-9]+(\.[0-9]+)?(ms|µs|s|m)\b`), "TIME"},
	{regexp.MustCompile(`127\.0\.0\.1:[0-9]+`), "ADDRESS"},
	{regexp.MustCompile(`[ \t]+`), " "},
	{regexp.MustCompile(` \n`), "\n"},
}

// normal takes out of a text what differs from run to run.
func normal(text string) string {
	for _, c := range changing {
		text = c.what.ReplaceAllString(text, c.with)
	}
	return strings.TrimSpace(text)
}

var row = regexp.MustCompile(`(gw-[0-9]) +([a-z]+)`)

// lacks is the first node with its state that a page shows, and a table does not; which columns there are is for other tests.
func lacks(table, page string) string {
	for _, want := range row.FindAllStringSubmatch(page, -1) {
		if !regexp.MustCompile(want[1] + ` +` + want[2] + `\b`).MatchString(table) {
			return want[0]
		}
	}
	return ""
}

// askAll has clients ask every gateway all the time, until the function that it returns is called. It fails the test for each request that
// was not answered as at the beginning.
func askAll(t *testing.T, gateways []*process.Gateway) (end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var asked atomic.Int64
	for _, g := range gateways {
		for path, want := range map[string]string{"/orders": "orders", "/v2/orders": "orders of version 2"} {
			all.Go(func() {
				for ctx.Err() == nil {
					code, body, err := ask(g.Proxy + path)
					if err != nil || code != http.StatusOK || !strings.Contains(body, `"`+want+`"`) {
						t.Errorf("%s%s: %d %q %v", g.Name, path, code, body, err)
						return
					}
					asked.Add(1)
				}
			})
		}
	}
	return sync.OnceFunc(func() {
		cancel()
		all.Wait()
		t.Logf("%d requests were answered as before", asked.Load())
	})
}

var client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 4}}

func ask(url string) (int, string, error) {
	resp, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// answering is a kong.yml with a route of that name and path, without a service.
func answering(names ...string) string {
	text := "_format_version: \"3.0\"\nroutes:\n"
	for _, name := range names {
		text += "- name: " + name + "\n  paths: [/" + name + "]\n  plugins:\n  - {name: request-termination, config: {status_code: 200, " +
			"message: " + name + "}}\n"
	}
	return text
}

// TestGatewaysThatServeDifferentThings are imported each into a source of its own, refused by name where they conflict, and replaced when
// that is meant.
func TestGatewaysThatServeDifferentThings(t *testing.T) {
	boot := map[string]string{"gw-1": answering("a", "both"), "gw-2": answering("b", "b2"),
		"gw-3": strings.Replace(answering("both"), "[/both]", "[/other]", 1)}
	f := process.StartFleet(t, binaries, etcdtest.Start(t).Endpoints, process.Config{
		Registries: 1, Translators: 1, Distributors: 1, Gateways: 3, BootFile: func(node string) string { return boot[node] },
	})
	nodes := func(want ...string) {
		t.Helper()
		process.Eventually(t, time.Minute, fmt.Sprint("nodes are ", want), func() error {
			out := f.CLI().Run(t, "get", "nodes", "-g", process.Group).Stdout
			for i, state := range want {
				if !regexp.MustCompile(fmt.Sprintf(`gw-%d +%s `, i+1, state)).MatchString(out) {
					return fmt.Errorf("nodes are\n%s", out)
				}
			}
			return nil
		})
	}
	serves := func(g int, path string, want int) {
		t.Helper()
		if code, _, err := ask(f.Gateways[g-1].Proxy + path); err != nil || code != want {
			t.Errorf("gw-%d%s: %d %v, want %d", g, path, code, err, want)
		}
	}
	nodes("unmanaged", "unmanaged", "unmanaged")
	cli := f.CLI()
	out := cli.Run(t, "import", "node", "gw-1", "-g", process.Group, "-s", "one", "--wait")
	if out.Code != 0 || !strings.Contains(out.Stderr, "gw-2 would lose plugin request-termination of route b,") ||
		!strings.Contains(out.Stderr, "left as it is") {
		t.Errorf("%+v", out)
	}
	nodes("ready", "unmanaged", "unmanaged") // the third has a route of the same name, and another path
	if !strings.Contains(out.Stderr, "gw-3: left as it is, since its entities of the same names have other content") &&
		!strings.Contains(out.Stderr, "gw-3 would lose") {
		t.Errorf("%+v", out)
	}
	serves(2, "/b", 200)
	serves(2, "/a", 404)
	serves(3, "/other", 200)
	serves(3, "/both", 404)
	out = cli.Run(t, "import", "node", "gw-3", "-g", process.Group, "-s", "three")
	if out.Code != 2 || !strings.Contains(out.Stderr, `route "both"`) || !strings.Contains(out.Stderr, "one") {
		t.Errorf("what conflicts: %+v", out)
	}

	out = cli.Run(t, "import", "node", "gw-2", "-g", process.Group, "-s", "one")
	if out.Code == 0 || !strings.Contains(out.Stderr, "source one of group default exists already") {
		t.Errorf("over another source: %+v", out)
	}
	out = cli.Run(t, "import", "node", "gw-1", "-g", process.Group, "-s", "again")
	if out.Code == 0 || !strings.Contains(out.Stderr, "does not serve anything that no revision brought") {
		t.Errorf("of a managed node: %+v", out)
	}

	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte(answering("c")), 0o600); err != nil {
		t.Fatal(err)
	}
	out = cli.Run(t, "apply", "-g", process.Group, "-s", "c", file)
	if out.Code != 1 || !strings.Contains(out.Stderr, "gw-2 would lose") ||
		!strings.Contains(out.Stderr, "silverback import node gw-2 -g default") {
		t.Errorf("without a word: %+v", out)
	}
	out = cli.Run(t, "diff", "-g", process.Group, "-s", "c", file)
	if !strings.Contains(out.Stdout+out.Stderr, "gw-2 would lose") {
		t.Errorf("diff: %+v", out)
	}
	out = cli.Run(t, "apply", "-g", process.Group, "-s", "c", "--leave-unmanaged", "--wait", file)
	if out.Code != 0 {
		t.Errorf("leaving it: %+v", out)
	}
	nodes("ready", "unmanaged", "unmanaged")
	serves(1, "/c", 200)
	serves(2, "/b", 200)
	out = cli.Run(t, "apply", "-g", process.Group, "-s", "c", "--replace-unmanaged", "--wait", file)
	if out.Code != 0 || !strings.Contains(out.Stdout, "revision 3") {
		t.Errorf("replacing it: %+v", out)
	}
	nodes("ready", "ready", "ready")
	serves(2, "/b", 404)
	serves(2, "/c", 200)
	if got, err := os.ReadFile(f.Gateways[1].BootFile + ".before-silverback"); err != nil || string(got) != boot["gw-2"] {
		t.Errorf("the first boot file is not kept: %v", err)
	}
}
