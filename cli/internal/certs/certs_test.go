package certs

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/identity"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func lab(t *testing.T) []wanted {
	t.Helper()
	o := options{
		trustDomain: "example.org", days: 90, caDays: 365, services: []string{"registry=registry-1,127.0.0.1"}, nodes: []string{"eu/kong-1"},
		users:   []string{"ann=operator"},
		servers: []string{"etcd-1=etcd-1"},
	}
	list, err := o.parse()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestCertificatesSayWhoTheyAreFor(t *testing.T) {
	dir := t.TempDir()
	if _, err := issue(dir, lab(t), life{90 * day, 365 * day}, noon); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil || !roots.AppendCertsFromPEM(ca) {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		who    identity.Identity
		server bool
	}{
		"service-registry": {identity.Identity{Kind: identity.Service, Name: "registry"}, true},
		"node-eu-kong-1":   {identity.Identity{Kind: identity.Node, Group: "eu", Name: "kong-1"}, false},
		"user-ann":         {identity.Identity{Kind: identity.User, Name: "ann", Role: identity.Operator}, false},
	} {
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := identity.FromCertificate("example.org", pair.Leaf); err != nil || got != want.who {
			t.Errorf("%s is %v, %v", name, got, err)
		}
		verify := func(use x509.ExtKeyUsage, host string) error {
			_, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: noon.Add(time.Hour), KeyUsages: []x509.ExtKeyUsage{use},
				DNSName: host})
			return err
		}
		if err := verify(x509.ExtKeyUsageClientAuth, ""); err != nil {
			t.Errorf("%s as a client: %v", name, err)
		}
		if err := verify(x509.ExtKeyUsageServerAuth, "registry-1"); (err == nil) != want.server {
			t.Errorf("%s as the server registry-1: %v, want %v", name, err, want.server)
		}
		if info, err := os.Stat(filepath.Join(dir, name+".key")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the key of %s has mode %v, %v", name, info.Mode(), err)
		}
	}
}

func TestWhatIsGoodIsKept(t *testing.T) {
	dir, span := t.TempDir(), life{90 * day, 365 * day}
	run := func(list []wanted, now time.Time) map[string]bool {
		t.Helper()
		rows, err := issue(dir, list, span, now)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]bool{}
		for _, r := range rows {
			out[strings.TrimSuffix(filepath.Base(r.File), ".crt")] = r.Made
		}
		return out
	}
	for name, made := range run(lab(t), noon) {
		if !made {
			t.Errorf("%s was there already", name)
		}
	}
	for name, made := range run(lab(t), noon.Add(50*day)) {
		if made {
			t.Errorf("%s was made anew, though it is good", name)
		}
	}
	for name, made := range run(lab(t), noon.Add(70*day)) {
		if made != (name != "ca") {
			t.Errorf("%s: made %v in the last third of its life", name, made)
		}
	}
	list := lab(t)
	list[0].hosts = append(list[0].hosts, "registry-2")
	if err := os.WriteFile(filepath.Join(dir, "user-ann.key"), []byte("lost"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, made := range run(list, noon.Add(71*day)) {
		if made != (name == "service-registry" || name == "user-ann") {
			t.Errorf("%s: made %v after other hosts and a lost key", name, made)
		}
	}
}

func TestAnAuthorityIsNeverReplaced(t *testing.T) {
	dir, span := t.TempDir(), life{90 * day, 365 * day}
	if _, err := issue(dir, nil, span, noon); err != nil {
		t.Fatal(err)
	}
	if _, err := issue(dir, nil, span, noon.Add(366*day)); err == nil || !strings.Contains(err.Error(), "expired on") {
		t.Errorf("an authority that ended: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "ca.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := issue(dir, nil, span, noon); err == nil || !strings.Contains(err.Error(), "restore the key") {
		t.Errorf("an authority without its key: %v", err)
	}
}

func TestFlagsThatSayNothingGood(t *testing.T) {
	for says, o := range map[string]options{
		"want NAME=HOST":            {services: []string{"registry"}},
		"the services are":          {services: []string{"mongodb=x"}},
		"want GROUP/NODE":           {nodes: []string{"kong-1"}},
		"node":                      {nodes: []string{"eu/KONG"}},
		"want NAME=ROLE":            {users: []string{"ann=root"}},
		"usable as a file name":     {users: []string{"../ann=admin"}},
		"given twice":               {users: []string{"ann=admin", "ann=viewer"}},
		"more than 0":               {days: -1},
		"is not the name of a host": {trustDomain: "a/b"},
		"--server":                  {servers: []string{"etcd"}},
	} {
		if o.trustDomain == "" {
			o.trustDomain = "silverback"
		}
		if o.days == 0 {
			o.days = 1
		}
		o.caDays = 1
		if _, err := o.parse(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}
