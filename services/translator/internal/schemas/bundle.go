package schemas

import (
	"context"
	"fmt"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/schema"
)

// A Bundle is the schemas of one kind of gateway. It is immutable and safe for concurrent use.
type Bundle struct {
	bundle *schema.Bundle
	name   string
}

func open(digest fleet.Digest, zstd []byte) (*Bundle, error) {
	b, err := schema.Unpack(zstd)
	if err != nil {
		return nil, fmt.Errorf("read schemas: %s", clean.Line(err.Error(), clean.MaxMessage))
	}
	// Of a bundle of an older agent the registry gives what it keeps: its rules.
	if b.Digest() != digest && b.Normalized() != b {
		return nil, fmt.Errorf("read schemas: the registry sent those of %s for %s", b.Digest(), digest)
	}
	return &Bundle{bundle: b, name: "Kong " + clean.Line(b.KongVersion(), maxVersion)}, nil
}

// maxVersion is how much is told of what a bundle says that Kong's version is.
const maxVersion = 32

// Name is how people call the kind of gateway.
func (b *Bundle) Name() string { return b.name }

// Check returns why such a gateway would refuse an entity of a kind, in the singular, and which secrets it would invent. What the gateway
// was not asked about passes.
func (b *Bundle) Check(ctx context.Context, budget *schema.Budget, kind string, entity map[string]any) ([]schema.FieldError, error) {
	found, err := b.bundle.Check(ctx, budget, kind, entity)
	for _, path := range b.bundle.Generated(kind, entity) {
		found = append(found, schema.FieldError{Path: path, Rule: schema.MissingField,
			Message: "the field is required: a gateway would invent another secret at each load; write it down, best as a reference to a vault"})
	}
	for i := range found {
		// A bundle is written by a node.
		found[i].Message = clean.Line(found[i].Message, clean.MaxMessage)
		for at, step := range found[i].Path {
			found[i].Path[at].Name = short(step.Name)
		}
	}
	return found, err
}

// short bounds a name, and leaves it as it is else, so that it is found in the document.
func short(name string) string {
	if len(name) > clean.MaxWord {
		return clean.Line(name, clean.MaxWord)
	}
	return name
}

// Place returns where an entity of a kind, in the singular, begins; sub is the name of a plugin or a vault. Its marks say who may see a
// value.
func (b *Bundle) Place(kind, sub string) schema.Place { return b.bundle.Place(kind, sub) }
