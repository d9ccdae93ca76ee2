package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

type tlsFiles struct{ cert, key, clientCA string }

// apply leaves the listeners alone when there is no certificate.
func (f tlsFiles) apply(opts *kongtest.Options) error {
	if f == (tlsFiles{}) {
		return nil
	}
	if f.cert == "" || f.key == "" {
		return errors.New("-cert-file and -key-file go together, and -client-ca-file with them")
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("-cert-file, -key-file: %w", err)
	}
	proxy := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	control := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if f.clientCA != "" {
		text, err := os.ReadFile(f.clientCA)
		if err != nil {
			return fmt.Errorf("-client-ca-file: %w", err)
		}
		control.ClientCAs = x509.NewCertPool()
		if !control.ClientCAs.AppendCertsFromPEM(text) {
			return fmt.Errorf("-client-ca-file: %s holds no certificate in PEM form", f.clientCA)
		}
		control.ClientAuth = tls.RequireAndVerifyClientCert
	}
	opts.AdminTLS, opts.StatusTLS, opts.ProxyTLS = control, control, proxy
	return nil
}
