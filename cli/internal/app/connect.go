package app

import (
	"google.golang.org/grpc"

	"github.com/silverback-gateway/silverback/kit/rpc"
)

// maxAnswer lets the largest snapshot come in one answer of render.
const maxAnswer = 160 << 20

func connect(addresses []string, f Flags) (*grpc.ClientConn, error) {
	return rpc.Dial(rpc.ClientConfig{
		Addresses: addresses, MaxReceive: maxAnswer, TLS: rpc.ClientTLS{CAFile: f.CAFile, CertFile: f.CertFile, KeyFile: f.KeyFile},
	})
}
