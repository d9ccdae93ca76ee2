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
	temporary := "access_log off;\n" // and folders that only root could make where nginx was told to have them when it was built
	for _, what := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temporary += what + "_temp_path " + filepath.Join(dir, what) + ";\n"
	}
	for _, p := range []persistence{"", byCookie, bySource} {
		s := servers{weights: weightFlag{rules: []weightRule{{label: "zone=b", weight: 1}}}, persistence: p}
		judge("haproxy", "-c", "-f", write("haproxy.cfg",
			"defaults\n    mode http\n    timeout connect 1s\n    timeout client 30s\n    timeout server 30s\n"+
				"frontend all\n    bind 127.0.0.1:7480\n    default_backend silverback_edge\n"+string(s.haproxy("", members))+
				string(s.haproxy("empty", nil))))
		location := "proxy_pass http://silverback_edge;"
		if p == byCookie {
			location += " add_header Set-Cookie $silverback_set_cookie always;"
		}
		// Two files may have the maps.
		judge("nginx", "-t", "-q", "-e", "stderr", "-c", write("nginx.conf",
			"pid "+filepath.Join(dir, "pid")+";\nevents {}\nhttp {\n"+temporary+string(s.nginx("", members))+string(s.nginx("empty", nil))+
				"server { listen 127.0.0.1:7480; location / { "+location+" } }\n}\n"))
	}
}
