package schemas

import (
	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/schema"
)

// verify checks that bytes are the bundle of a digest, in canonical form and within bounds. It returns what to store: the same bytes, or,
// of an older agent, the bundle without the secrets that its gateway invented.
func verify(digest string, zstd []byte) ([]byte, error) {
	want, err := fleet.ParseDigest(digest)
	if err != nil {
		return nil, fault.InvalidFields(fault.Violation{Field: "digest", Description: err.Error()})
	}
	b, err := schema.Unpack(zstd)
	if err != nil {
		return nil, fault.New(fault.Invalid, "INVALID_SCHEMAS", "%s", clean.Line(err.Error(), clean.MaxMessage))
	}
	if b.Digest() != want {
		return nil, fault.New(fault.Invalid, "INVALID_SCHEMAS", "the bundle has the digest %s, not %s", b.Digest(), want)
	}
	if b.Normalized() != b {
		return schema.Pack(b.Normalized()), nil
	}
	return zstd, nil
}
