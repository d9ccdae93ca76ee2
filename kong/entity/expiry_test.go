package entity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kong/entity"
)

func TestCertificatesAreDoubtedByTheirEnd(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		what string
		end  time.Time
		want string
	}{
		{"of long ago", time.Unix(1<<30, 0), "the certificate expired at 2004-01-10T13:37:04Z"},
		{"of these days", time.Now().Add(9*24*time.Hour + time.Hour), ", in 9 days"},
		{"of years", time.Now().Add(31 * 24 * time.Hour), ""},
	} {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: tc.end}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		got := entity.Expiry(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
		if (got == "") != (tc.want == "") || !strings.HasSuffix(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.what, got, tc.want)
		}
	}
	for _, text := range []string{"", "{vault://env/cert}", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"} {
		if got := entity.Expiry(text); got != "" {
			t.Errorf("%q: %q", text, got)
		}
	}
}
