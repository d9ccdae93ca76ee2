package agent_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/agent"
	"github.com/silverback-gateway/silverback/kit/tlsfiles/tlstest"
)

func TestKongSettingsAreChecked(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		at := filepath.Join(dir, name)
		if err := os.WriteFile(at, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return at
	}
	authority := tlstest.New(t)
	files, mismatch := authority.Issue("agent"), authority.Issue("other").Key
	ca, cert := files.CA, files.Cert
	text, empty, token := write("text", []byte("one\ntwo")), write("empty", nil), write("token", []byte("s3cret\n"))
	const secure = "https://127.0.0.1:8444"
	for name, tt := range map[string]struct {
		change func(c *agent.Config)
		want   string // empty: nothing is wrong
	}{
		"defaults":  {func(*agent.Config) {}, ""},
		"sockets":   {func(c *agent.Config) { c.KongAdmin, c.KongProxy, c.KongStatus = "unix:///a", "unix:///p", "unix:///s" }, ""},
		"no status": {func(c *agent.Config) { c.KongStatus = "" }, ""},
		"all of TLS": {func(c *agent.Config) {
			c.KongAdmin, c.KongTLS = secure, agent.KongTLS{Files: files, ServerName: "kong"}
		}, ""},
		"TLS for status only":          {func(c *agent.Config) { c.KongStatus, c.KongTLS.CA = secure, ca }, ""},
		"a token":                      {func(c *agent.Config) { c.KongTokenFile = token }, ""},
		"an admin URL with a password": {func(c *agent.Config) { c.KongAdmin = "http://u:s3cret@h:port" }, "--kong-admin: want http://"},
		"a status URL":                 {func(c *agent.Config) { c.KongStatus = "127.0.0.1:8007" }, "--kong-status: want http://"},
		"a proxy on another machine":   {func(c *agent.Config) { c.KongProxy = "http://10.0.0.1:8000" }, "--kong-proxy: want a loopback address"},
		"a proxy by name":              {func(c *agent.Config) { c.KongProxy = "https://kong:8443" }, "--kong-proxy: want a loopback address"},
		"a proxy that is not asked":    {func(c *agent.Config) { c.KongProxy, c.Proof = "http://10.0.0.1:8000", "hash" }, ""},
		"authorities without TLS":      {func(c *agent.Config) { c.KongTLS.CA = ca }, "neither --kong-admin nor --kong-status is https"},
		"authorities that are not":     {func(c *agent.Config) { c.KongAdmin, c.KongTLS.CA = secure, text }, "--kong-admin-ca: " + text},
		"authorities that are nowhere": {func(c *agent.Config) { c.KongAdmin, c.KongTLS.CA = secure, ca+"x" }, "--kong-admin-ca: open " + ca +
			"x"},
		"a certificate without key": {func(c *agent.Config) { c.KongAdmin, c.KongTLS.Cert = secure, cert },
			"--kong-admin-cert and --kong-admin-key go together"},
		"a key of another certificate": {func(c *agent.Config) { c.KongAdmin, c.KongTLS.Cert, c.KongTLS.Key = secure, cert, mismatch },
			"--kong-admin-cert and --kong-admin-key: " + cert + " with the key " + mismatch},
		"a token of two lines":         {func(c *agent.Config) { c.KongTokenFile = text }, "--kong-token-file: "},
		"a token file without a token": {func(c *agent.Config) { c.KongTokenFile = empty }, "--kong-token-file: "},
		"a token file that is nowhere": {func(c *agent.Config) { c.KongTokenFile = token + "x" }, "--kong-token-file: "},
		"an interval below zero":       {func(c *agent.Config) { c.DriftInterval = -time.Second }, "--drift-interval must be more than 0"},
		"a load without time":          {func(c *agent.Config) { c.LoadTimeout = -1 }, "--load-timeout must be more than 0"},
		"a proof without time":         {func(c *agent.Config) { c.ProofTimeout = -1 }, "--proof-timeout must be more than 0"},
	} {
		t.Run(name, func(t *testing.T) {
			c := agent.Config{
				Group: "g", Node: "n", Registry: []string{"127.0.0.1:1"}, Distributor: []string{"127.0.0.1:2"}, StateDir: dir,
				KongAdmin: "http://127.0.0.1:8001", KongProxy: "http://127.0.0.1:8000", KongStatus: "http://127.0.0.1:8007",
			}
			tt.change(&c)
			err := c.Check()
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || strings.Count(err.Error(), "\n") > 0):
				t.Errorf("got %v, want %s and nothing else", err, tt.want)
			case err != nil && strings.Contains(err.Error(), "s3cret"):
				t.Errorf("a secret is repeated: %v", err)
			}
		})
	}
}

// Zero means the default in a Config, and is refused as a flag.
func TestCheckRefusesIntervalsOfZero(t *testing.T) {
	cmd := exec.Command("go", "run", "./cmd/agent", "--group=g", "--node=n", "--check", "--drift-interval=0s", "--load-timeout=0",
		"--proof-timeout=-1s",
		"--kong-proxy=http://10.0.0.1:8000")
	cmd.Env = append(os.Environ(), "SILVERBACK_LOAD_TIMEOUT=1s")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("accepted: %s", out)
	}
	for _, want := range []string{"--drift-interval must be more than 0", "--load-timeout must be more than 0",
		"--proof-timeout must be more than 0", "--kong-proxy: want a loopback"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("it does not say %q: %s", want, out)
		}
	}
}
