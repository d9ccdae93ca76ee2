package command_test

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/cli/internal/app"
)

// The command and the flag say the same, and neither asks a service.
func TestVersionIsAFlagAndACommand(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"version"}, {"--version"}} {
		if code, out, errs := run("127.0.0.1:1", args...); code != app.ExitDone || out != "silverback test\n" || errs != "" {
			t.Errorf("%v ended with %d, %q and %q", args, code, out, errs)
		}
	}
	_, out, _ := run("127.0.0.1:1", "version", "-o", "json")
	var got map[string]string
	if err := json.Unmarshal([]byte(out), &got); err != nil || len(got) != 2 || got["version"] != "test" ||
		got["go_version"] != runtime.Version() {
		t.Errorf("programs are told %s, %v", out, err)
	}
	if _, out, _ := run("127.0.0.1:1", "version", "-o", "yaml"); !strings.HasPrefix(out, "version: test\n") {
		t.Errorf("as YAML: %s", out)
	}
}
