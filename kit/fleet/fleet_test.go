package fleet_test

import (
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// The order of a group's nodes must be the same in every version, or an update of a replica would reshuffle a wave.
func TestPositionIsStable(t *testing.T) {
	if got, want := fleet.Position("default", "gw-1"), uint64(0x3c34368c96b9694); got != want {
		t.Errorf("Position(default, gw-1) = %#x, want %#x", got, want)
	}
	if fleet.Position("a", "bc") == fleet.Position("ab", "c") {
		t.Error("group and node run into each other")
	}
}

func TestParseDigest(t *testing.T) {
	good := fleet.DigestOf([]byte("x"))
	if _, err := fleet.ParseDigest(string(good)); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", good.Hex(), "sha256:" + strings.ToUpper(good.Hex()), string(good) + "0", "sha256:zz"} {
		if _, err := fleet.ParseDigest(bad); err == nil {
			t.Errorf("ParseDigest(%q) accepted it", bad)
		}
	}
	if fleet.Digest("").Short() != "" {
		t.Error("the empty digest has a short form")
	}
}

func TestValidName(t *testing.T) {
	for name, ok := range map[string]bool{
		"default": true, "a": true, "eu-west.1_b": true,
		"": false, "-a": false, "a-": false, "A": false, "a/b": false, "ä": false, strings.Repeat("a", 64): false,
	} {
		if err := fleet.ValidName("group", name); (err == nil) != ok {
			t.Errorf("ValidName(%q) = %v, want ok %v", name, err, ok)
		}
	}
}

func TestHasLabel(t *testing.T) {
	labels := map[string]string{"zone": "a", "canary": ""}
	for label, want := range map[string]bool{
		"zone=a": true, "canary=": true, "canary": true,
		"zone=b": false, "zone": false, "region=a": false, "region=": false, "": false,
	} {
		if got := fleet.HasLabel(labels, label); got != want {
			t.Errorf("HasLabel(%q) = %v, want %v", label, got, want)
		}
	}
}
