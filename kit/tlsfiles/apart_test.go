package tlsfiles_test

import (
	"testing"

	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/kit/tlsfiles/tlstest"
)

func TestApart(t *testing.T) {
	one, other := tlstest.New(t), tlstest.New(t)
	if err := tlsfiles.Apart(one.File, one.File); err == nil {
		t.Error("an authority is apart from itself")
	}
	if err := tlsfiles.Apart(one.File, other.File); err != nil {
		t.Error(err)
	}
	// What the other authority signed is trusted where the other is.
	if err := tlsfiles.Apart(one.Issue("below").Cert, one.File); err == nil {
		t.Error("what an authority signed is apart from it")
	}
}
