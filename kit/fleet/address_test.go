package fleet_test

import (
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.1:8000": "10.0.0.1:8000", "gw-1:8000": "gw-1:8000", "gw_1.eu-west.example.org:1": "gw_1.eu-west.example.org:1",
		"[fd00::1]:65535": "[fd00::1]:65535", "[FD00:0::1]:80": "[fd00::1]:80", "[::]:7453": "[::]:7453", "localhost:80": "localhost:80",
	} {
		a, err := fleet.ParseAddress(in)
		if err != nil || a.String() != want {
			t.Errorf("%q was read as %q, %v; want %q", in, a, err, want)
		}
	}
	for _, in := range []string{
		"", "gw-1", ":8000", "gw-1:", "gw-1:http", "gw-1:0", "gw-1:65536", "gw-1:080", "gw-1:+80", "gw-1:80 ", " gw-1:80", "gw-1:80\n",
		"gw 1:80", "gw-1:80 check\n    external-check command /bin/sh", "gw-1;:80", "gw-1\n:80", "gw-1\x00:80", "gw-1\r:80",
		"/var/run/docker.sock:80", "unix@/run/x:80", "unix:80", "UNIX:80", "fd@3:80", "${HOME}:80", "$x:80", "\"gw\":80", "'gw':80", "gw#1:80",
		"gw{1}:80", "gw\\1:80", "gw%1:80", "a..b:80", ".a:80", "a.:80", "-a:80", "a-:80", "*:80", "127.1:80", "1:80", "[fe80::1%eth0]:80",
		"[fe80::1%25eth0 ;]:80", "ünï:80", "gw\u202e:80", strings.Repeat("a", 64) + ":80", strings.Repeat("a.", 127) + "b:80",
	} {
		if a, err := fleet.ParseAddress(in); err == nil {
			t.Errorf("%q was read as %q", in, a)
		} else if !a.IsZero() || strings.ContainsAny(err.Error(), "\n\r") {
			t.Errorf("%q: %q, %q", in, a, err)
		}
	}
}
