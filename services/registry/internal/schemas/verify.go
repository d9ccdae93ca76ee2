package schemas

import (
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// verify makes sure that bytes are the bundle that a digest names, in canonical form. Until the form is settled, nothing is.
func verify(digest string, _ []byte) error {
	if _, err := fleet.ParseDigest(digest); err != nil {
		return fault.InvalidFields(fault.Violation{Field: "digest", Description: err.Error()})
	}
	return fault.New(fault.Invalid, "INVALID_SCHEMAS", "the bytes are not a bundle of schemas")
}
