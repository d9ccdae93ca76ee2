package cost

import "testing"

func TestSummary(t *testing.T) {
	slow := Named{"slow", Gateway{Workers: 2, Samples: []Sample{took(10_000, "", 2)}}}
	wide := Named{"wide", Gateway{Workers: 8}}
	for want, gateways := range map[string][]Named{
		"about 5s (not measured yet), and 400 MB more memory for a while":                                 {{"one", Gateway{Workers: 2}}},
		"about 10s (measured), and 400 MB more memory for a while":                                        {slow},
		"about 10s on 2 gateways (slowest: slow; 1 of them measured), and 1.6 GB more memory for a while": {slow, wide},
	} {
		if got := Summarize(services(10_000), gateways); got.String() != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := Summarize(services(10), []Named{wide}).String(); got != "about 300ms (not measured yet), and 1 MB more memory for a while" {
		t.Errorf("got %q", got)
	}
	if got := Summarize(services(10_000), []Named{slow, wide}).Largest; got != "wide" {
		t.Errorf("the gateway that needs most memory is %q", got)
	}
}
