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
			return nil, errors.New("a client certificate needs the authority of the services too")
		}
		return insecure.NewCredentials(), nil
	}
	source, err := tlsfiles.Client(c.files(), nil)
	if err != nil {
		return nil, fmt.Errorf("the files of the client's TLS: %w", err)
	}
	return source.ClientCredentials(), nil
}
