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
	// Of bundles by older agents the registry keeps only the rules.
	if b.Digest() != digest && b.Normalized() != b {
		return nil, fmt.Errorf("read schemas: the registry sent those of %s for %s", b.Digest(), digest)
	}
	return &Bundle{bundle: b, name: "Kong " + clean.Line(b.KongVersion(), maxVersion)}, nil
}

// maxVersion bounds how much of a bundle's Kong version is shown.
const maxVersion = 32

// Name names the kind of gateway for people.
func (b *Bundle) Name() string { return b.name }

// Check returns why such a gateway would refuse an entity, and which secrets it would invent. kind is singular. What the bundle does not
// cover passes.
func (b *Bundle) Check(ctx context.Context, budget *schema.Budget, kind string, entity map[string]any) ([]schema.FieldError, error) {
	found, err := b.bundle.Check(ctx, budget, kind, entity)
	for _, path := range b.bundle.Generated(kind, entity) {
		found = append(found, schema.FieldError{Path: path, Rule: schema.MissingField,
			Message: "the field is required: a gateway would invent another secret at each load; write it down, best as a reference to a vault"})
	}
	for i := range found {
		// Nodes write bundles.
		found[i].Message = clean.Line(found[i].Message, clean.MaxMessage)
		for at, step := range found[i].Path {
			found[i].Path[at].Name = short(step.Name)
		}
	}
	return found, err
}

// short bounds a name and does not change it otherwise, so that it can be found in the document.
func short(name string) string {
	if len(name) > clean.MaxWord {
		return clean.Line(name, clean.MaxWord)
	}
	return name
}

// Place returns the schema of an entity; kind is singular, sub the name of a plugin or a vault. Its marks say which values are secret.
func (b *Bundle) Place(kind, sub string) schema.Place { return b.bundle.Place(kind, sub) }
