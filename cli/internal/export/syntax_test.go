package export

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The tools judge what is written for them, wherever they are installed; elsewhere the golden files must do.
func TestTheToolsAcceptTheTexts(t *testing.T) {
	members, _ := membersOf(roster())
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	weights := weightFlag{rules: []weightRule{{label: "zone=b", weight: 1}}}
	judge := func(name string, args ...string) {
		tool, err := exec.LookPath(name)
		if err != nil {
			t.Logf("%s is not installed and judges nothing", name)
			return
		}
		if said, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, said)
		}
	}
	judge("haproxy", "-c", "-f", write("haproxy.cfg",
		"defaults\n    mode http\n    timeout connect 1s\n    timeout client 30s\n    timeout server 30s\n"+
			"frontend all\n    bind 127.0.0.1:7480\n    default_backend silverback_edge\n"+string(renderHAProxy("", members, "", weights.of))+
			string(renderHAProxy("empty", nil, "", weights.of))))
	judge("nginx", "-t", "-q", "-e", "stderr", "-c", write("nginx.conf",
		"pid "+filepath.Join(dir, "pid")+";\nevents {}\nhttp {\n"+string(renderNginx("", members, weights.of))+
			string(renderNginx("empty", nil, weights.of))+
			"server { listen 127.0.0.1:7480; location / { proxy_pass http://silverback_edge; } }\n}\n"))
}
