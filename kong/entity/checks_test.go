package entity_test

import (
	"testing"

	"github.com/silverback-gateway/silverback/kong/entity"
)

// TestHostsAreTakenAsKongTakesThem: a label may begin with a dash and be long; digits and dots alone are an address or wrong.
func TestHostsAreTakenAsKongTakesThem(t *testing.T) {
	const long = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example"
	for _, tc := range []struct {
		what  string
		check func(string) string
		fine  []string
		bad   []string
	}{
		{"host", entity.Host, []string{"-a.example", long, "a.", "a.1", "1a", "[::1]", "127.0.0.1"},
			[]string{"-", "a-", "999", "1.2", "fe80::1%eth0", "x:80", "a..b"}},
		{"host of a route", entity.RouteHost, []string{"*.", "*.a", "a.*", "a:0", "0x7f.1", "::1"},
			[]string{"1", "999", "fe80::1%eth0", "*", "*.*", "a:99999", "a:"}},
		{"sni", entity.SNI, []string{"-a.example", "a.example."}, []string{"a:443", "a..b", "*.*"}},
		{"upstream", entity.UpstreamName, []string{"-a", long, "a_b"}, []string{"1.2.3.4", "a b", "*.a", "a:80"}},
		{"target", entity.Target, []string{"-a:80", long + ":80", "1.2.3.4:0"}, []string{"999:80", "1.2.3.400:80", "a:", "a:x"}},
	} {
		for _, s := range tc.fine {
			if why := tc.check(s); why != "" {
				t.Errorf("%s %s: %s", tc.what, s, why)
			}
		}
		for _, s := range tc.bad {
			if tc.check(s) == "" {
				t.Errorf("%s %s: taken", tc.what, s)
			}
		}
	}
}
