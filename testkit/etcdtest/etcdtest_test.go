package etcdtest

import (
	"slices"
	"testing"
)

// orderly notes in what order things are to be undone.
type orderly struct {
	testing.TB
	done []string
}

func (o *orderly) TempDir() string {
	o.done = append(o.done, "folder")
	return o.TB.TempDir()
}

func (o *orderly) Cleanup(f func()) {
	o.done = append(o.done, "cleanup")
	o.TB.Cleanup(f)
}

// What is done last is undone first. A member whose folder is removed while it runs ends the whole process, sooner or later.
func TestTheFolderOutlivesItsMembers(t *testing.T) {
	o := &orderly{TB: t}
	Start(o)
	folder := slices.Index(o.done, "folder")
	if folder < 0 || slices.Index(o.done, "cleanup") < folder {
		t.Errorf("done in the order %q", o.done)
	}
}
