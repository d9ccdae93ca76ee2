package entity

import (
	"bytes"
	"encoding/pem"
	"strings"
)

// PEMForm returns the canonical spelling of PEM text: lines of 64 characters, each with a line feed, as OpenSSL writes them. Text that
// begins a block and does not parse loses only the blanks around its lines. Other text is returned unchanged.
func PEMForm(s string) string {
	blocks := strings.Count(s, "-----BEGIN ")
	if blocks == 0 {
		return s
	}
	var tidy strings.Builder
	for line := range strings.Lines(strings.TrimSpace(s)) {
		tidy.WriteString(strings.TrimSpace(line) + "\n")
	}
	var out bytes.Buffer
	rest := []byte(tidy.String())
	for range blocks {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || pem.Encode(&out, block) != nil {
			return tidy.String()
		}
	}
	return out.String()
}
