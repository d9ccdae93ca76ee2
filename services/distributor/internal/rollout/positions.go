package rollout

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Positions identify nodes by their positions in the group's hash order, sorted. As text they are the base64 of the gaps between them, as
// varints: ten thousand of them take less than 110 KB.
type Positions []uint64

// bytesEach is how many bytes almost every position takes: the hash order of ten thousand nodes has gaps of 51 bits.
const bytesEach = 8

// has reports whether a position is among them.
func (p Positions) has(position uint64) bool {
	_, found := slices.BinarySearch(p, position)
	return found
}

// merge returns the positions of both.
func (p Positions) merge(other Positions) Positions {
	if len(other) == 0 {
		return p
	}
	all := slices.Concat(p, other)
	slices.Sort(all)
	return slices.Compact(all)
}

// without returns the positions that are not among others.
func (p Positions) without(others Positions) Positions {
	if len(others) == 0 {
		return p
	}
	return slices.DeleteFunc(slices.Clone(p), others.has)
}

// MarshalText implements encoding.TextMarshaler. It fails when the positions are not sorted.
func (p Positions) MarshalText() ([]byte, error) {
	gaps := make([]byte, 0, len(p)*bytesEach)
	last := uint64(0)
	for _, position := range p {
		if position < last {
			return nil, errors.New("positions are not sorted")
		}
		gaps = binary.AppendUvarint(gaps, position-last)
		last = position
	}
	return base64.RawStdEncoding.AppendEncode(make([]byte, 0, base64.RawStdEncoding.EncodedLen(len(gaps))), gaps), nil
}

// UnmarshalText implements encoding.TextUnmarshaler. The result is sorted.
func (p *Positions) UnmarshalText(text []byte) error {
	gaps, err := base64.RawStdEncoding.AppendDecode(nil, text)
	if err != nil {
		return fmt.Errorf("positions: %w", err)
	}
	all := make(Positions, 0, len(gaps)/bytesEach+1)
	last := uint64(0)
	for len(gaps) > 0 {
		gap, n := binary.Uvarint(gaps)
		if n <= 0 || last+gap < last {
			return errors.New("positions: a position does not fit in 64 bits or is truncated")
		}
		last += gap
		all, gaps = append(all, last), gaps[n:]
	}
	*p = all
	return nil
}

// Nodes are the positions of the sessions in a tally, by state. A replica of an older version leaves them empty.
type Nodes struct {
	Serving Positions `json:"serving,omitempty"`
	Loading Positions `json:"loading,omitempty"`
	Refused Positions `json:"refused,omitempty"`
	Failed  Positions `json:"failed,omitempty"`
	// Kept are those of Failed whose gateways are unmanaged and would lose something: they do not load. A leader of an older version counts
	// them as failed.
	Kept Positions `json:"kept,omitempty"`
}

func (n Nodes) equal(other Nodes) bool {
	return slices.Equal(n.Serving, other.Serving) && slices.Equal(n.Loading, other.Loading) &&
		slices.Equal(n.Refused, other.Refused) && slices.Equal(n.Failed, other.Failed) && slices.Equal(n.Kept, other.Kept)
}
