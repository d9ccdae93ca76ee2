// Package conformance reads recorded manifests of the Gateway API's conformance suite, for tests.
package conformance

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/manifest"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// Controller is the name of the controller of the class that manifests name.
const Controller = "example.com/controller"

// Set reads the manifests of a case and adds what a cluster would: the class, the certificates, and an endpoint of every Service.
func Set(t testing.TB, files ...string) *object.Set {
	t.Helper()
	set := &object.Set{}
	const class = "kong"
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte("{GATEWAY_CLASS_NAME}"), []byte(class))
		if _, err := manifest.Read(file, bytes.NewReader(text), set); err != nil {
			t.Fatal(err)
		}
	}
	manifest.FillDefaults(set)
	set.Add(&gateway.GatewayClass{
		TypeMeta: meta.TypeMeta{Kind: "GatewayClass"}, ObjectMeta: meta.ObjectMeta{Name: class},
		Spec: gateway.GatewayClassSpec{ControllerName: Controller},
	})
	for _, s := range object.List[*core.Service](set, "Service") {
		slice := &discovery.EndpointSlice{
			TypeMeta: meta.TypeMeta{Kind: "EndpointSlice"},
			ObjectMeta: meta.ObjectMeta{
				Name: s.Name, Namespace: s.Namespace, Labels: map[string]string{discovery.LabelServiceName: s.Name},
			},
			AddressType: discovery.AddressTypeFQDN,
			Endpoints:   []discovery.Endpoint{{Addresses: []string{s.Namespace + "." + s.Name + ".test"}}},
		}
		for _, port := range s.Spec.Ports {
			slice.Ports = append(slice.Ports, discovery.EndpointPort{Name: new(port.Name), Port: new(port.Port), Protocol: new(core.ProtocolTCP)})
		}
		set.Add(slice)
	}
	for _, g := range object.List[*gateway.Gateway](set, "Gateway") {
		for _, l := range g.Spec.Listeners {
			if l.TLS == nil {
				continue
			}
			for _, ref := range l.TLS.CertificateRefs {
				addCertificate(t, set, g.Namespace, ref)
			}
		}
	}
	return set
}

// addCertificate adds a Secret that the suite makes at run time.
func addCertificate(t testing.TB, set *object.Set, namespace string, ref gateway.SecretObjectReference) {
	t.Helper()
	if ref.Namespace != nil {
		namespace = string(*ref.Namespace)
	}
	name := string(ref.Name)
	if set.Has(object.Ref{Kind: "Secret", Namespace: namespace, Name: name}) || !strings.Contains(name, "certificate") ||
		strings.Contains(name, "nonexistent") {
		return
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	set.Add(&core.Secret{
		TypeMeta: meta.TypeMeta{Kind: "Secret", APIVersion: "v1"}, ObjectMeta: meta.ObjectMeta{Namespace: namespace, Name: name},
		Data: map[string][]byte{
			core.TLSCertKey:       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
			core.TLSPrivateKeyKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		},
	})
}
