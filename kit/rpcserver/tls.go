package rpcserver

import (
	"fmt"
	"log/slog"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/silverback-gateway/silverback/kit/tlsfiles"
)

func transportCredentials(c Config, log *slog.Logger) (credentials.TransportCredentials, error) {
	if c.CertFile == "" {
		return insecure.NewCredentials(), nil
	}
	source, err := tlsfiles.Server(c.files(), log, "h2")
	if err != nil {
		return nil, fmt.Errorf("TLS files of the listener: %w", err)
	}
	return source.ServerCredentials(), nil
}
