package e2e_test

import (
	"errors"
	"testing"

	"github.com/silverback-gateway/silverback/test/e2e/suite"
	"github.com/silverback-gateway/silverback/test/process"
)

// Two people apply the same source one after the other, and both wait: the first hears that the second replaced it, the second that it is
// served.
func TestWhoIsOverwrittenHearsIt(t *testing.T) {
	p := packOf(t)
	suite.Want(t, p.cli.Run(t, "update", "group", process.Group, "--waves=1,60%:20s,100%"), 0)
	first := make(chan process.Result, 1)
	document := p.document(routes("orders", "edition-2"))
	go func() { first <- p.cli.Run(t, "apply", "-g", process.Group, "--wait", document) }()
	process.Eventually(t, suite.Patience, "the first revision is there", func() error {
		if suite.Revisions(t, p.cli, process.Group) < 2 {
			return errors.New("not yet")
		}
		return nil
	})
	suite.Want(t, p.cli.Run(t, "update", "group", process.Group, "--waves=1,100%"), 0)
	suite.Want(t, p.apply(3, "-m", "the third edition", "--wait"), 0, "revision 3 is served")
	suite.Want(t, <-first, 2, `overwritten: source "default" of revision 2`, `as revision 3 ("the third edition")`)
}
