// Command cabundle prints the authorities that Mozilla trusts, as the PEM file that programs look for under /etc/ssl/certs. They come from
// a module pinned in go.mod, not from the machine that builds, so the same commit gives the same bytes everywhere.
package main

import (
	"bufio"
	"encoding/pem"
	"fmt"
	"os"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func main() {
	if err := write(); err != nil {
		fmt.Fprintln(os.Stderr, "cabundle:", err)
		os.Exit(1)
	}
}

func write() error {
	out := bufio.NewWriter(os.Stdout)
	for root := range bundle.Roots() {
		// Roots that are trusted only in part cannot be told apart in a PEM file, so they are left out.
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return fmt.Errorf("write a certificate: %w", err)
		}
	}
	return out.Flush()
}
