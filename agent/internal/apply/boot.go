package apply

import (
	"fmt"
	"io/fs"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/lastgood"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/proof"
)

// lingering is how long a condition stays that says what was put right already.
const lingering = time.Minute

// writeBootFile puts what was proven where every start of the gateway finds it.
func (a *Applier) writeBootFile(p prepared) error {
	foreign, wide := a.foreign(p), a.Boot.Wide()
	if err := a.Boot.Write(p.posted); err != nil {
		a.boot = err.Error()
		return err
	}
	if foreign != "" {
		a.linger("BootFileForeign", foreign)
		a.Status.Record("BootFileForeign", foreign, time.Now())
		a.Log.Warn("boot file put right", "reason", foreign)
	}
	a.narrowed(wide)
	a.boot, a.stamp = "", a.Boot.Stamp()
	m := &a.state.Memory
	m.Form, m.Expressions, m.Boot = p.form.String(), p.options.Expressions, fleet.GatewayHashOf(p.posted)
	return nil
}

// narrowBootFile is for a boot file that is not written: whoever wrote it, it may hold secrets.
func (a *Applier) narrowBootFile() {
	wide := a.Boot.Wide()
	if err := a.Boot.Narrow(); err != nil {
		a.linger("FileTooOpen", err.Error()) // somebody else's file; the first load replaces it
		return
	}
	a.narrowed(wide)
}

// narrowed tells of a boot file that had a wide mode and has it no more.
func (a *Applier) narrowed(wide fs.FileMode) {
	if wide == 0 {
		return
	}
	was, is := fmt.Sprintf("%04o", wide), fmt.Sprintf("%04o", wide&lastgood.BootMode)
	a.wasOpen(fmt.Sprintf("the boot file %s had mode %s, and has %s now", a.Boot, was, is))
	a.Log.Warn("boot file narrowed", "path", string(a.Boot), "old_mode", was, "new_mode", is)
}

func (a *Applier) wasOpen(message string) {
	a.linger("FileTooOpen", message)
	a.Status.Record("FileTooOpen", message, time.Now())
}

// foreign says what somebody else did to the boot file since the agent wrote it; empty when nobody did anything.
func (a *Applier) foreign(p prepared) string {
	if a.Boot == "" || a.state.Memory.Boot == "" || a.Boot.Stamp() == a.stamp {
		return ""
	}
	found, err := a.Boot.Hash()
	_, ours := a.state.snapshotOf(found)
	switch {
	case err != nil, ours, found == a.state.Memory.Boot, found == fleet.GatewayHashOf(p.posted):
		return "" // what an interrupted run left is ours too
	case found == "":
		return "somebody took the boot file away; it was written again"
	}
	return "somebody else wrote the boot file (" + short(found) + "); it was put right"
}

// mendBootFile makes the boot file of the last known good, also before the gateway answers: it may be waiting for that file.
func (a *Applier) mendBootFile() {
	if a.Boot == "" {
		return
	}
	good := a.state.Good
	form, err := proof.ParseForm(a.state.Memory.Form)
	if good.Digest == "" || err != nil {
		a.narrowBootFile()
		// Nothing to write yet; but whether it could be is known.
		a.boot, a.stamp = "", a.Boot.Stamp()
		if err := a.Boot.Check(); err != nil {
			a.boot = err.Error()
		}
		return
	}
	canonical, err := a.Store.Bytes(good.Digest)
	if err != nil {
		a.narrowBootFile()
		return // a condition says so already
	}
	p, err := insert(good.Digest, canonical, form, proof.Options{Expressions: a.state.Memory.Expressions})
	if err != nil {
		return
	}
	was := a.state.Memory.Boot
	if err := a.writeBootFile(p); err != nil {
		a.Log.Warn("boot file not mended", "error", err)
		return
	}
	if a.state.Memory.Boot != was {
		a.remember()
	}
}

// watchBootFile mends the boot file when somebody else touched it, and when it could not be written and now can.
func (a *Applier) watchBootFile() {
	switch {
	case a.Boot == "":
	case a.boot != "":
		if err := a.Boot.Check(); err != nil {
			a.boot = err.Error()
			return
		}
		a.mendBootFile()
	case a.Boot.Stamp() != a.stamp:
		a.mendBootFile()
	}
}

// diskInterval is how often a directory that took everything so far is tried: the control plane is to know of a full disk before it
// has something to write to it, for what a node complains of beforehand is not the fault of a revision.
const diskInterval = 10 * time.Second

// watchDisk tries the directory, and writes what could not be written, once it takes it again.
func (a *Applier) watchDisk() {
	now := time.Now()
	if a.disk == "" && now.Sub(a.tried) < diskInterval {
		return
	}
	a.tried = now
	failed := a.disk != ""
	if err := a.Store.Check(); err != nil {
		a.disk = err.Error()
		return
	}
	if failed {
		a.remember()
	}
}

func (a *Applier) remember() {
	a.disk = ""
	if err := a.Store.Remember(a.state.Memory); err != nil {
		a.disk = err.Error()
	}
}

// linger shows a condition for a while.
func (a *Applier) linger(kind, message string) {
	a.lingers[kind] = lingerer{message, time.Now().Add(lingering)}
}

type lingerer struct {
	message string
	until   time.Time
}

// interrupted is the candidate of an earlier run, with the hash that the gateway has when it runs it.
func interrupted(store *lastgood.Store, m lastgood.Memory) Expectation {
	pending, ok := store.Pending()
	if !ok {
		return Expectation{}
	}
	l := Expectation{Snapshot: pending}
	form, err := proof.ParseForm(m.Form)
	if err != nil {
		return l
	}
	if canonical, err := store.Bytes(pending.Digest); err == nil {
		if p, err := insert(pending.Digest, canonical, form, proof.Options{Expressions: m.Expressions}); err == nil {
			l.Hash = p.hash
		}
	}
	return l
}
