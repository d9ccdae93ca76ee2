package document

import (
	"bytes"
	"fmt"
	"testing"
)

// TestABombDoesNotGoOff: a YAML text of a few hundred bytes must not become
// gigabytes.
func TestABombDoesNotGoOff(t *testing.T) {
	var bomb bytes.Buffer
	bomb.WriteString("_format_version: \"3.0\"\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 12 {
		fmt.Fprintf(&bomb, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i+1, i+1, i, i, i, i, i, i, i, i)
	}
	if _, err := Parse(bomb.Bytes()); err == nil {
		t.Error("the bomb was accepted")
	}
}
