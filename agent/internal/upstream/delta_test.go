package upstream

import (
	"errors"
	"testing"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

func data(n int) []*fleetv1.Delta_Operation {
	return []*fleetv1.Delta_Operation{{Step: &fleetv1.Delta_Operation_Data{
		Data: &fleetv1.Delta_Data{Zstd: make([]byte, n), RawLength: int64(n)}}}}
}

func directive(parts int32, size int64) *distributorv1.Directive {
	return &distributorv1.Directive{PartCount: parts, Delta: &fleetv1.Delta{Size: size, Operations: data(10)}}
}

func part(n int32, size int) *distributorv1.DeltaPart {
	return &distributorv1.DeltaPart{Number: n, Operations: data(size)}
}

func TestAssembly(t *testing.T) {
	a, err := begin(3, directive(2, 100))
	if err != nil || a.complete() {
		t.Fatal(err)
	}
	if err := a.add(3, part(1, 10)); err != nil || a.complete() {
		t.Fatal(err)
	}
	if err := a.add(3, part(2, 10)); err != nil || !a.complete() || len(a.directive.GetDelta().GetOperations()) != 3 {
		t.Errorf("not complete: %v", err)
	}
	if err := a.add(3, part(3, 10)); !errors.Is(err, errParts) {
		t.Errorf("a part too many: %v", err)
	}
}

func TestAssemblyRefuses(t *testing.T) {
	for name, d := range map[string]*distributorv1.Directive{
		"too many parts": directive(maxParts+1, 100), "a negative number of parts": directive(-1, 100), "parts of nothing": {PartCount: 1},
	} {
		if _, err := begin(1, d); !errors.Is(err, errParts) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := begin(1, directive(0, 1<<40)); !errors.Is(err, errSize) {
		t.Errorf("over the limit: %v", err)
	}
	for name, add := range map[string]func(*assembly) error{
		"out of order":            func(a *assembly) error { return a.add(1, part(2, 1)) },
		"of another directive":    func(a *assembly) error { return a.add(2, part(1, 1)) },
		"more than was announced": func(a *assembly) error { return a.add(1, part(1, 1<<20)) },
	} {
		a, err := begin(1, directive(2, 100))
		if err != nil {
			t.Fatal(err)
		}
		if add(a) == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
