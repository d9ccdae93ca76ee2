package kongtest_test

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/tlsfiles/tlstest"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
	"github.com/silverback-gateway/silverback/testkit/port"
)

// TestAWorkerShowsTheCertificatesThatItServes: a listener for TLS alone has them too, and goes back to its own with them gone.
func TestAWorkerShowsTheCertificatesThatItServes(t *testing.T) {
	authority := tlstest.New(t)
	files := authority.IssueFor("configured", "configured.test")
	cert, err := os.ReadFile(files.Cert)
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(files.Key)
	if err != nil {
		t.Fatal(err)
	}
	snis := []any{map[string]string{"name": "configured.test"}}
	entity, _ := json.Marshal(map[string]any{"cert": string(cert), "key": string(key), "snis": snis})
	with := `{"_format_version":"3.0","certificates":[` + string(entity) + `],"routes":[{"name":"r","paths":["/"]}]}`
	options := map[string]kongtest.Options{
		"for TLS alone":         {ProxyTLS: authority.Server("listener.test")},
		"beside one without it": {SecureProxy: port.Address(t)},
	}
	for name, o := range options {
		g := kongtest.Start(t, kongtest.With(o), kongtest.SwitchAfter(0))
		url := g.ProxyURL()
		if o.SecureProxy != "" {
			url = g.SecureProxyURL()
		}
		ask := func() error {
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority.Pool(), ServerName: "configured.test"}}
			_, _, err := over(t, transport, url)
			return err
		}
		if err := ask(); err == nil {
			t.Errorf("%s: a certificate for a name of no configuration", name)
		}
		mustPost(t, g, with)
		if err := ask(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := get(t, g.AdminURL()+"/"); o.SecureProxy != "" && !strings.Contains(string(got.body), o.SecureProxy+" http2 ssl") {
			t.Errorf("%s: GET / does not name the listener", name)
		}
		mustPost(t, g, `{"_format_version":"3.0","routes":[{"name":"r","paths":["/"]}]}`)
		if err := ask(); err == nil {
			t.Errorf("%s: the certificate is still shown", name)
		}
	}
}
