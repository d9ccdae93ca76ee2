package rpc

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/silverback-gateway/silverback/kit/tlsfiles"
)

func transportCredentials(c ClientTLS) (credentials.TransportCredentials, error) {
	if c.CAFile == "" {
		if c.CertFile != "" || c.KeyFile != "" {
			return nil, errors.New("a client certificate also needs the authority of the services")
		}
		return insecure.NewCredentials(), nil
	}
	source, err := tlsfiles.Client(c.files(), nil)
	if err != nil {
		return nil, fmt.Errorf("TLS files of the client: %w", err)
	}
	return source.ClientCredentials(), nil
}
