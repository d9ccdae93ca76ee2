package kong_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/tlsfiles/tlstest"
)

func TestCertificatesAreChosenBySNI(t *testing.T) {
	authority := tlstest.New(t)
	var certificates []string
	for name, sni := range map[string]string{"exact": "a.b.sni.test", "before": "*.b.sni.test", "short": "sni.test", "after": "b.sni.*"} {
		files := authority.IssueFor(name, "localhost")
		cert, err := os.ReadFile(files.Cert)
		if err != nil {
			t.Fatal(err)
		}
		key, err := os.ReadFile(files.Key)
		if err != nil {
			t.Fatal(err)
		}
		entity, _ := json.Marshal(map[string]any{"cert": string(cert), "key": string(key), "snis": []any{map[string]string{"name": sni}}})
		certificates = append(certificates, string(entity))
	}
	text := `{"_format_version":"3.0","certificates":[` + strings.Join(certificates, ",") + `]}`
	each(t, func(t *testing.T, k *target) {
		if k.secure == "" {
			k.lacks(t, "no listener for TLS: SILVERBACK_TEST_KONG_SECURE_PROXY is not set (see docs/kong.md)")
		}
		k.load(t, text)
		eventually(t, "certificates of the configuration are shown", func() error {
			for range 8 * max(len(k.root(t).PIDs.Workers), 1) {
				if got := shown(t, k.secure, "sni.test"); got != "short" {
					return fmt.Errorf("for sni.test: %s", got)
				}
			}
			return nil
		})
		for name, want := range map[string]string{
			"a.b.sni.test": "exact", "c.b.sni.test": "before", "sni.test": "short", "b.sni.other": "after",
			"d.a.b.sni.test": "localhost", "x.sni.test": "localhost", "other.test": "localhost", "": "localhost",
		} {
			if got := shown(t, k.secure, name); got != want {
				t.Errorf("for %q: the certificate %s, want %s", name, got, want)
			}
		}
	})
}

// shown is the name of the certificate that a listener shows.
func shown(t *testing.T, listener, name string) string {
	t.Helper()
	dialer := tls.Dialer{Config: &tls.Config{ServerName: name, InsecureSkipVerify: true}} //nolint:gosec // what it is, is asked for
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(listener, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName
}
