package rollout

import "testing"

func TestTheZerosOfAnIDMayBeLeftOut(t *testing.T) {
	for given, want := range map[string]string{"": "", "8": "00000008", "0008": "00000008", "00000008": "00000008", "123456789": "123456789",
		"r-8": "r-8", "-8": "-8"} {
		if got := ID(given); got != want {
			t.Errorf("%q is taken for %q, want %q", given, got, want)
		}
	}
}
