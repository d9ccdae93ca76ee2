package translate_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/silverback-gateway/silverback/sources/kubernetes/manifest"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

var expiry = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// pair is a certificate and its key in PEM form; of an authority, if it is one.
func pair(t *testing.T, authority bool) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: expiry, IsCA: authority, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: inner})
}

func objects(tb testing.TB, text string) *object.Set {
	tb.Helper()
	set := &object.Set{}
	if _, err := manifest.Read("input", strings.NewReader(text), set); err != nil {
		tb.Fatal(err)
	}
	return set
}

func secret(name, uid, created string, labels map[string]string, data map[string][]byte) *core.Secret {
	at, _ := time.Parse(time.DateOnly, created)
	return &core.Secret{
		TypeMeta: meta.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: meta.ObjectMeta{
			Namespace: "web", Name: name, UID: types.UID(uid), CreationTimestamp: meta.NewTime(at), Labels: labels,
		},
		Data: data,
	}
}

func said(problems []object.Problem) string {
	var text strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&text, "%s %v: %s\n", p.Reason, p.Objects, p.Message)
	}
	return text.String()
}

const certificateIngresses = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: first, namespace: web, creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  ingressClassName: kong
  tls:
  - {hosts: [a.example.com, b.example.com], secretName: newer}
  - {hosts: [], secretName: newer}
  - {hosts: [x.example.com], secretName: missing}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: second, namespace: web, creationTimestamp: "2026-01-02T00:00:00Z"}
spec:
  ingressClassName: kong
  tls:
  - {hosts: [b.example.com, c.example.com], secretName: other}
  - {hosts: [d.example.com], secretName: older}
  - {hosts: [e.example.com], secretName: broken}
  defaultBackend: {service: {name: s, port: {number: 443}}}
---
apiVersion: v1
kind: Service
metadata: {name: s, namespace: web, annotations: {konghq.com/client-cert: newer, konghq.com/protocol: https}}
spec: {ports: [{port: 443}]}
`

// TestEqualCertificatesBecomeOne has one certificate in two Secrets: it takes the id of the older one, all of the names, and what refers
// to the other.
func TestEqualCertificatesBecomeOne(t *testing.T) {
	set := objects(t, certificateIngresses)
	cert, key := pair(t, false)
	otherCert, otherKey := pair(t, false)
	data := func(cert, key []byte) map[string][]byte {
		return map[string][]byte{core.TLSCertKey: cert, core.TLSPrivateKeyKey: key}
	}
	set.Add(secret("newer", "22222222-0000-4000-8000-000000000000", "2026-02-02", nil, data(cert, key)))
	set.Add(secret("older", "33333333-0000-4000-8000-000000000000", "2026-01-01", nil, data(cert, append(key, '\n'))))
	set.Add(secret("other", "44444444-0000-4000-8000-000000000000", "2026-01-01", nil, data(otherCert, otherKey)))
	set.Add(secret("broken", "55555555-0000-4000-8000-000000000000", "2026-01-01", nil, data(otherCert, key)))
	result := translate.Translate(set, translate.Options{})
	names := map[string]string{}
	for _, c := range result.Config.Certificates {
		for _, sni := range c.SNIs {
			names[c.ID] += sni.Name + " "
			if sni.Certificate.ID != c.ID {
				t.Errorf("%s names the certificate %s, want %s", sni.Name, sni.Certificate.ID, c.ID)
			}
		}
	}
	if len(names) != 2 || names["33333333-0000-4000-8000-000000000000"] != "a.example.com b.example.com d.example.com " ||
		names["44444444-0000-4000-8000-000000000000"] != "c.example.com " {
		t.Errorf("names %v", names)
	}
	if got := result.Config.Services[0].ClientCertificate; got != "33333333-0000-4000-8000-000000000000" {
		t.Errorf("the client certificate is %s", got)
	}
	text := said(result.Problems)
	if !strings.Contains(text, "Unresolved [Ingress/web/first]: there is no Secret web/missing") ||
		!strings.Contains(text, "Invalid [Secret/web/broken Ingress/web/second]") || bytes.Contains([]byte(text), key[40:80]) {
		t.Errorf("problems:\n%s", text)
	}
}

func TestAuthoritiesAreJudged(t *testing.T) {
	authority, _ := pair(t, true)
	leaf, _ := pair(t, false)
	label := map[string]string{"konghq.com/ca-cert": "true"}
	data := func(id string, cert []byte) map[string][]byte {
		return map[string][]byte{"id": []byte(id), "cert": cert}
	}
	set := objects(t, `
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: trusting, namespace: web}
plugin: mtls-auth
config: {ca_certificates: [leaf]}
`)
	set.Add(secret("good", "", "2026-01-01", label, data("good", append(authority, '\n'))))
	set.Add(secret("late", "", "2026-01-02", label, data("good", authority)))
	set.Add(secret("leaf", "", "2026-01-01", label, data("leaf", leaf)))
	set.Add(secret("two", "", "2026-01-01", label, data("two", append(bytes.Clone(authority), authority...))))
	set.Add(secret("idless", "", "2026-01-01", label, map[string][]byte{"cert": authority}))
	set.Add(secret("empty", "", "2026-01-01", label, map[string][]byte{"id": []byte("empty")}))
	set.Add(secret("unlabelled", "", "2026-01-01", nil, data("unlabelled", authority)))

	result := translate.Translate(set, translate.Options{})
	if got := result.Config.CACertificates; len(got) != 1 || got[0].ID != "good" || got[0].Tags[0] != "k8s-name:good" {
		t.Errorf("%+v", got)
	}
	text := said(result.Problems)
	for _, want := range []string{
		"Conflict [Secret/web/late]", "Invalid [Secret/web/leaf KongPlugin/web/trusting]", "Invalid [Secret/web/two]",
		"Invalid [Secret/web/idless]", "Invalid [Secret/web/empty]",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no problem %s in:\n%s", want, text)
		}
	}
	if got := translate.Translate(set, translate.Options{Now: expiry.Add(time.Second)}).Config.CACertificates; len(got) != 0 {
		t.Errorf("an authority that has expired is left: %+v", got)
	}
}
