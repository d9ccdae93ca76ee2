package rpc

import (
	"errors"
	"fmt"
	"log/slog"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/silverback-gateway/silverback/kit/tlsfiles"
)

func serverCredentials(c ServerConfig, log *slog.Logger) (credentials.TransportCredentials, error) {
	if c.CertFile == "" {
		return insecure.NewCredentials(), nil
	}
	source, err := tlsfiles.Server(c.files(), log, "h2")
	if err != nil {
		return nil, fmt.Errorf("the files of the listener's TLS: %w", err)
	}
	return source.ServerCredentials(), nil
}

func clientCredentials(c ClientTLS) (credentials.TransportCredentials, error) {
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
