package main

import (
	"errors"
	"fmt"

	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// secure does nothing without a certificate. The authorities are those of clients of the Admin and the Status API.
func secure(opts *kongtest.Options, files tlsfiles.Files) error {
	if files == (tlsfiles.Files{}) {
		return nil
	}
	if err := files.Check("cert-file", "key-file", "client-ca-file"); err != nil {
		return err
	}
	if files.Cert == "" {
		return errors.New("--client-ca-file needs --cert-file and --key-file")
	}
	control, err := tlsfiles.Server(files, nil)
	if err != nil {
		return fmt.Errorf("the files of the Admin and the Status API: %w", err)
	}
	proxy, err := tlsfiles.Server(tlsfiles.Files{Cert: files.Cert, Key: files.Key}, nil, "h2", "http/1.1")
	if err != nil {
		return fmt.Errorf("the files of the proxy: %w", err)
	}
	opts.AdminTLS, opts.StatusTLS, opts.ProxyTLS = control.ServerConfig(), control.ServerConfig(), proxy.ServerConfig()
	return nil
}
