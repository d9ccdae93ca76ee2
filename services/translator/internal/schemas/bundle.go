package schemas

import (
	"context"
	"fmt"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/schema"
)

// A Bundle is the schemas of one kind of gateway. It is immutable and safe for concurrent use.
type Bundle struct {
	bundle *schema.Bundle
	name   string
}

func open(digest fleet.Digest, zstd []byte) (*Bundle, error) {
	b, err := schema.Unpack(zstd)
	if err != nil {
		return nil, fmt.Errorf("read schemas: %w", err)
	}
	if b.Digest() != digest {
		return nil, fmt.Errorf("read schemas: the registry sent those of %s for %s", b.Digest(), digest)
	}
	return &Bundle{bundle: b, name: "Kong " + b.KongVersion()}, nil
}

// Name is how people call the kind of gateway.
func (b *Bundle) Name() string { return b.name }

// Check returns why such a gateway would refuse an entity of a kind, in the singular. What the gateway was not asked about passes.
func (b *Bundle) Check(ctx context.Context, budget *schema.Budget, kind string, entity map[string]any) ([]schema.FieldError, error) {
	return b.bundle.Check(ctx, budget, kind, entity)
}
