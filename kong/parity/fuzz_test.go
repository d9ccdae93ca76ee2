package parity_test

import (
	"testing"

	"github.com/silverback-gateway/silverback/kong/parity"
)

// FuzzCompare compares whatever can be read with itself and with something else: it must not panic, and nothing differs from itself.
func FuzzCompare(f *testing.F) {
	for _, seed := range []string{
		head + "services: [{name: a, host: h, routes: [{name: r, paths: [/a]}], ca_certificates: [c]}]\nca_certificates: [{id: c, cert: C}]\n",
		dump("consumers: [{username: ann, groups: [gold], keyauth_credentials: [{key: '{vault://redacted-value}'}]}]"),
		served("plugins:\n- {name: p, config: {a: {b: [1, ~]}}, protocols: [http]}\nsnis:\n- {name: x, certificate: c}\n"),
		`{"_format_version": "3.0", "plugins": [{"name": 1, "route": {"id": 2}}], "x": [{"id": "x"}, {"id": "x"}], "routes": [{}, {}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var sides [4]*parity.Configuration
		for i := range sides {
			c, err := parity.Read("x", []byte(text))
			if err != nil {
				return
			}
			sides[i] = c
		}
		report, err := parity.Compare(sides[0], sides[1], nil)
		if err != nil {
			t.Fatal(err)
		}
		if report.Differs() {
			t.Errorf("%q differs from itself: %v", text, lines(report))
		}
		if _, err := parity.Compare(sides[2], read(t, head+"services: [{name: a, host: h}]\nconsumers: [{username: ann}]\n"), nil); err != nil {
			t.Error(err)
		}
	})
}
