// Package upstream is the agent's side of the control plane: it enrols the node at a registry, follows its assignment at a
// distributor, assembles snapshots from deltas, and sends outcomes. Without a control plane it retries and changes nothing.
package upstream

import (
	"errors"
	"fmt"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// maxParts bounds how many parts a directive may announce: the largest snapshot in the smallest sensible parts.
const maxParts = 4096

var (
	errParts = errors.New("the parts of the directive do not fit together")
	errSize  = errors.New("the directive is larger than it announced, or than the limit")
)

// assembly is a directive whose parts have not all arrived.
type assembly struct {
	nonce     uint64
	directive *distributorv1.Directive
	next      int32
	frames    int64 // compressed bytes so far
}

// begin starts an assembly; it is complete at once when no parts follow.
func begin(nonce uint64, d *distributorv1.Directive) (*assembly, error) {
	a := &assembly{nonce: nonce, directive: d, next: 1}
	if d.GetPartCount() < 0 || d.GetPartCount() > maxParts || d.GetDelta() == nil && d.GetPartCount() > 0 {
		return a, errParts
	}
	if d.GetDelta().GetSize() > snapshot.MaxSize {
		return a, errSize
	}
	return a, a.count(d.GetDelta().GetOperations())
}

// add takes the next part.
func (a *assembly) add(nonce uint64, part *distributorv1.DeltaPart) error {
	if nonce != a.nonce || part.GetNumber() != a.next || a.complete() {
		return errParts
	}
	a.next++
	if err := a.count(part.GetOperations()); err != nil {
		return err
	}
	d := a.directive.GetDelta()
	d.Operations = append(d.Operations, part.GetOperations()...)
	return nil
}

// count bounds the memory of a delta by its announced size. Compressed bytes are hardly ever more than the raw ones.
func (a *assembly) count(ops []*fleetv1.Delta_Operation) error {
	for _, op := range ops {
		a.frames += int64(len(op.GetData().GetZstd())) + 32
	}
	if limit := a.directive.GetDelta().GetSize()*2 + 64<<10; a.frames > limit {
		return errSize
	}
	return nil
}

func (a *assembly) complete() bool { return a.next > a.directive.GetPartCount() }

// make applies the delta to the snapshot that base returns, and returns the canonical bytes.
func (a *assembly) make(base func(fleet.Digest) ([]byte, error)) ([]byte, error) {
	wire := a.directive.GetDelta()
	want, err := fleet.ParseDigest(a.directive.GetDigest())
	if err != nil {
		return nil, err
	}
	d := snapshot.Delta{BaseDigest: fleet.Digest(wire.GetBaseDigest()), Digest: fleet.Digest(wire.GetDigest()), Size: wire.GetSize()}
	for _, op := range wire.GetOperations() {
		var step snapshot.Op
		if c := op.GetCopy(); c != nil {
			step.Copy = &snapshot.Copy{Offset: c.GetOffset(), Length: c.GetLength()}
		} else if x := op.GetData(); x != nil {
			step.Data = &snapshot.Data{Zstd: x.GetZstd(), RawLength: x.GetRawLength(), DictOffset: x.GetDictOffset(), DictLength: x.GetDictLength()}
		}
		d.Ops = append(d.Ops, step)
	}
	var from []byte
	if d.BaseDigest != "" {
		if from, err = base(d.BaseDigest); err != nil {
			return nil, fmt.Errorf("base of the delta: %w", err)
		}
	}
	return snapshot.Apply(from, d, want)
}
