package schemas

import (
	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/schema"
)

// verify makes sure that bytes are the bundle that a digest names, in canonical form and within bounds.
func verify(digest string, zstd []byte) error {
	want, err := fleet.ParseDigest(digest)
	if err != nil {
		return fault.InvalidFields(fault.Violation{Field: "digest", Description: err.Error()})
	}
	b, err := schema.Unpack(zstd)
	if err != nil {
		return fault.New(fault.Invalid, "INVALID_SCHEMAS", "%s", clean.Line(err.Error(), clean.MaxMessage))
	}
	if b.Digest() != want {
		return fault.New(fault.Invalid, "INVALID_SCHEMAS", "the bundle has the digest %s, not %s", b.Digest(), want)
	}
	return nil
}
