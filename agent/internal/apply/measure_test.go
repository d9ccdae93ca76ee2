package apply

import (
	"testing"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kong/cost"
)

func TestLoadsAreRememberedBounded(t *testing.T) {
	s := serving()
	for i := range 3 * cost.MaxSamples {
		s, _ = Decide(s, moment, LoadEnded{Snapshot: snapB, Hash: "hash-b", Served: true, Saved: true, Sample: &cost.Sample{Workers: i}})
	}
	if got := s.Memory.Loads; len(got) != cost.MaxSamples || got[len(got)-1].Workers != 3*cost.MaxSamples-1 {
		t.Errorf("got %+v", got)
	}
	before := len(s.Memory.Loads)
	s, _ = Decide(s, moment, LoadEnded{Snapshot: snapB, Hash: "hash-b", Served: true, Saved: true})
	s, _ = Decide(s, moment, LoadEnded{Snapshot: snapA, Err: &verdict.Failure{Reason: verdict.Timeout}, Sample: &cost.Sample{}})
	if len(s.Memory.Loads) != before {
		t.Errorf("a load that was not measured or not proven is remembered: %+v", s.Memory.Loads)
	}
}

func TestSizeOfCanonicalBytes(t *testing.T) {
	const canonical = "{\"_format_version\":\"3.0\",\n\"routes\":[\n{\"id\":\"1\"},\n{\"id\":\"2\"}\n],\n\"services\":[\n{\"id\":\"3\"}\n]}\n"
	if got, want := sizeOf([]byte(canonical)), (cost.Size{Routes: 2, Entities: 3, Bytes: int64(len(canonical))}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
