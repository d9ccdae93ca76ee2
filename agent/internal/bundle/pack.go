package bundle

import (
	"github.com/silverback-gateway/silverback/agent/internal/gateway"
	"github.com/silverback-gateway/silverback/kong/schema"
)

// pack brings what a gateway read into the form in which bundles are named and travel.
func pack(read gateway.Schemas, version string) (digest string, zstd []byte, err error) {
	b, err := schema.New(schema.Texts{KongVersion: version, Entities: read.Entities, Plugins: read.Plugins, Vaults: read.Vaults})
	if err != nil {
		return "", nil, err
	}
	return string(b.Digest()), schema.Pack(b), nil
}
