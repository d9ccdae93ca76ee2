package fleet

import (
	"fmt"
	"regexp"
)

// MaxNameLength is the longest name of a group, a node or a source, in bytes.
const MaxNameLength = 63

var namePattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9._]*[a-z0-9])?$`)

// ValidName checks the name of a group, a node or a source. The error states the rule and which kind of name it is.
func ValidName(what, name string) error {
	if len(name) > MaxNameLength {
		return fmt.Errorf("%s name has %d characters; at most %d are allowed", what, len(name), MaxNameLength)
	}
	if !namePattern.MatchString(name) {
		return fmt.Errorf("%s name %q: use a-z, 0-9, '-', '.' and '_', beginning and ending with a letter or digit", what, name)
	}
	return nil
}
