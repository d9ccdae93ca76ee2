package e2e_test

import (
	"crypto/sha1" //nolint:gosec // what Kong keeps of passwords
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/lab"
	"github.com/silverback-gateway/silverback/test/e2e/labfleet"
	"github.com/silverback-gateway/silverback/test/e2e/suite"
)

// TestHashedPasswordsLogIn: the export of a database holds hashes and says _transform: false; another team's file holds plain passwords.
// Both log in at every gateway, whoever submits first, and nobody does with a hash.
func TestHashedPasswordsLogIn(t *testing.T) {
	f := labfleet.Start(t, binaries, lab.Config{Gateways: 2})
	const consumer = "4e1d2c3b-4a59-4687-9786-a5b4c3d2e1f4"
	sum := sha1.Sum([]byte("secret-of-ann" + consumer)) //nolint:gosec // as Kong does
	hash := hex.EncodeToString(sum[:])
	export := suite.Write(t, "export.yaml", `_format_version: "3.0"
_transform: false
consumers:
- {id: `+consumer+`, username: ann}
basicauth_credentials:
- {id: 6e1d2c3b-4a59-4687-9786-a5b4c3d2e1f6, consumer: `+consumer+`, username: ann, password: `+hash+`}
`)
	plain := suite.Write(t, "plain.yaml", suite.Shop(f.Echo(), "orders")+`  plugins:
  - name: basic-auth
consumers:
- username: bob
  basicauth_credentials: [{username: bob, password: secret-of-bob}]
`)
	logins := func(ann int) {
		t.Helper()
		for i := range 2 {
			for who, want := range map[string]int{
				"bob:secret-of-bob": 200, "ann:secret-of-ann": ann, "ann:" + hash: 401, "bob:secret-of-ann": 401, "": 401,
			} {
				if got, err := login(outside(f)[i].Proxy+"/orders", who); err != nil || got != want {
					t.Errorf("gateway %d, %q: %d, %v, want %d", i, who, got, err, want)
				}
			}
		}
	}
	suite.Want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "-s", "plain", "--wait", plain), 0, "revision 1")
	logins(401)
	suite.Want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "-s", "export", "--wait", export), 0, "revision 2")
	logins(200)
	suite.Want(t, f.CLI.Run(t, "diff", "-g", lab.Group, "-s", "export", export), 0)
	dump := suite.Want(t, f.CLI.Run(t, "dump", "-g", lab.Group), 0)
	if !strings.Contains(dump.Stdout, "_transform: false\n") || !strings.Contains(dump.Stdout, hash) ||
		strings.Contains(dump.Stdout, "secret-of-bob") {
		t.Errorf("the dump is\n%s", dump.Stdout)
	}
	suite.Want(t, f.CLI.Run(t, "delete", "source", "-g", lab.Group, "export", "--allow-shrink"), 0)
}

func login(url, who string) (int, error) {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}
	if name, password, ok := strings.Cut(who, ":"); ok {
		r.SetBasicAuth(name, password)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, fmt.Errorf("ask: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	return answer.StatusCode, nil
}
