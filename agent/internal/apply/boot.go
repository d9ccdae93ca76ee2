package apply

import (
	"fmt"
	"io/fs"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/proof"
)

// writeBootFile makes Kong start with these bytes.
func (a *Applier) writeBootFile(p prepared) error {
	foreign, wide := a.foreignBootFile(p), a.Boot.Wide()
	if err := a.Boot.Write(p.posted); err != nil {
		a.decide(BootFileChecked{err.Error()})
		return err
	}
	if foreign != "" {
		a.notice("BootFileForeign", foreign)
		a.Log.Warn("boot file restored", "reason", foreign)
	}
	a.narrowed(wide)
	a.bootStamp = a.Boot.Stamp()
	a.decide(BootFileWritten{Form: p.form.String(), Expressions: p.options.Expressions, Hash: fleet.GatewayHashOf(p.posted)})
	return nil
}

// narrowBootFile narrows the mode of a boot file that is not written now. It may hold secrets, whoever wrote it.
func (a *Applier) narrowBootFile() {
	wide := a.Boot.Wide()
	if err := a.Boot.Narrow(); err != nil {
		a.showFor("FileTooOpen", err.Error()) // of another owner; the first load replaces it
		return
	}
	a.narrowed(wide)
}

// narrowed reports that the mode of the boot file was too wide. Zero means that it was not.
func (a *Applier) narrowed(wide fs.FileMode) {
	if wide == 0 {
		return
	}
	was, is := fmt.Sprintf("%04o", wide), fmt.Sprintf("%04o", wide&lastgood.BootMode)
	a.notice("FileTooOpen", fmt.Sprintf("the boot file %s had mode %s, and has %s now", a.Boot, was, is))
	a.Log.Warn("boot file mode narrowed", "path", string(a.Boot), "old_mode", was, "new_mode", is)
}

// foreignBootFile returns what somebody else did to the boot file since the agent wrote it; empty when nothing.
func (a *Applier) foreignBootFile(p prepared) string {
	written := a.state.Memory.Boot
	if a.Boot == "" || written == "" || a.Boot.Stamp() == a.bootStamp {
		return ""
	}
	found, err := a.Boot.Hash()
	_, ours := a.state.snapshotOf(found)
	switch {
	case err != nil, ours, found == written, found == fleet.GatewayHashOf(p.posted):
		return "" // an interrupted run of the agent left it
	case found == "":
		return "the boot file was deleted, and the agent wrote it again"
	}
	return "the boot file was changed by somebody else (" + short(found) + "), and the agent restored it"
}

// mendBootFile writes the last known good to the boot file. It does not wait for the gateway, which may not start without the file.
func (a *Applier) mendBootFile() {
	if a.Boot == "" {
		return
	}
	memory, good := a.state.Memory, a.state.Good
	form, err := proof.ParseForm(memory.Form)
	if good.Digest == "" || err != nil {
		a.narrowBootFile()
		a.bootStamp = a.Boot.Stamp()
		a.checkBootFile() // nothing to write yet, but an operator wants to know whether it could be
		return
	}
	canonical, err := a.Store.Bytes(good.Digest)
	if err != nil {
		a.narrowBootFile()
		return // the store reports the damage
	}
	p, err := insert(good.Digest, canonical, form, proof.Options{Expressions: memory.Expressions})
	if err != nil {
		return
	}
	if err := a.writeBootFile(p); err != nil {
		a.Log.Warn("boot file not written", "error", err)
		return
	}
	if a.state.Memory.Boot != memory.Boot {
		a.decide(a.remember())
	}
}

// checkBootFile reports whether the boot file can be written.
func (a *Applier) checkBootFile() bool {
	err := a.Boot.Check()
	a.decide(BootFileChecked{problemOf(err)})
	return err == nil
}

// watchBootFile mends the boot file when somebody else changed it, and when it becomes writable.
func (a *Applier) watchBootFile() {
	switch {
	case a.Boot == "":
	case a.state.Disk.BootFile != "":
		if a.checkBootFile() {
			a.mendBootFile()
		}
	case a.Boot.Stamp() != a.bootStamp:
		a.mendBootFile()
	}
}

// diskInterval is the interval of checks of a state directory without problems. They find a full disk before a snapshot must be
// written, because the problems of a node before a rollout do not count against the revision.
const diskInterval = 10 * time.Second

// watchDisk checks the state directory, and writes the memory when it becomes writable.
func (a *Applier) watchDisk() {
	failed, now := a.state.Disk.StateDir != "", time.Now()
	if !failed && now.Sub(a.diskChecked) < diskInterval {
		return
	}
	a.diskChecked = now
	err := a.Store.Check()
	switch {
	case err != nil:
		a.decide(StateDirChecked{err.Error()})
	case failed:
		a.decide(a.remember())
	}
}

func (a *Applier) remember() StateDirChecked {
	return StateDirChecked{problemOf(a.Store.Remember(a.state.Memory))}
}

func problemOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// interrupted is the candidate of an earlier run, with the hash that the gateway reports when it runs it.
func interrupted(store *lastgood.Store, m lastgood.Memory) Expectation {
	pending, ok := store.Pending()
	if !ok {
		return Expectation{}
	}
	e := Expectation{Snapshot: pending}
	form, err := proof.ParseForm(m.Form)
	if err != nil {
		return e
	}
	if canonical, err := store.Bytes(pending.Digest); err == nil {
		if p, err := insert(pending.Digest, canonical, form, proof.Options{Expressions: m.Expressions}); err == nil {
			e.Hash = p.hash
		}
	}
	return e
}
