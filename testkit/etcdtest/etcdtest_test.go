package etcdtest

import (
	"errors"
	"slices"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
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

func TestAMemberIsReplacedAndTheAlarmEnds(t *testing.T) {
	s := StartCluster(t, 3)
	client := s.Client(t)
	put := func(value string) error { _, err := client.Put(t.Context(), "k", value); return err }
	if err := put("first"); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		s.Replace(t, i)
	}
	if answer, err := client.Get(t.Context(), "k"); err != nil || len(answer.Kvs) != 1 {
		t.Errorf("after all members were replaced: %v, %v", answer, err)
	}
	RaiseAlarm(t, client)
	if err := put("second"); !errors.Is(err, rpctypes.ErrNoSpace) {
		t.Errorf("with the alarm a write gives %v", err)
	}
	MakeRoom(t, client)
	if err := put("third"); err != nil {
		t.Error(err)
	}
}
