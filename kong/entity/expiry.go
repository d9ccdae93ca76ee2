package entity

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"
)

// soon is how long before its end a certificate causes a warning.
const soon = 30 * 24 * time.Hour

// Expiry returns a warning about a certificate that has expired or will within 30 days, by the clock of this process. Gateways serve
// expired certificates. They refuse expired authorities, which kong/schema checks.
func Expiry(s string) string {
	block, _ := pem.Decode([]byte(s))
	if block == nil {
		return ""
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return ""
	}
	end, now := cert.NotAfter.UTC(), time.Now()
	switch left := end.Sub(now); {
	case left < 0:
		return "the certificate expired at " + end.Format(time.RFC3339)
	case left < soon:
		return fmt.Sprintf("the certificate expires at %s, in %d days", end.Format(time.RFC3339), int(left/(24*time.Hour)))
	}
	return ""
}
