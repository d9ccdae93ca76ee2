package rollout

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Positions name nodes by their places in the group's hash order, the lowest first. As text they are the base64 of what
// each adds to the one before it, as a varint: ten thousand of them take less than 110 KB.
type Positions []uint64

// bytesEach is what a place takes, but for a few: the hash order of ten thousand nodes has gaps of 51 bits.
const bytesEach = 8

// has reports whether a place is among them. They must be in order.
func (p Positions) has(position uint64) bool {
	_, found := slices.BinarySearch(p, position)
	return found
}

// merge returns the places of both, in order.
func (p Positions) merge(other Positions) Positions {
	if len(other) == 0 {
		return p
	}
	all := slices.Concat(p, other)
	slices.Sort(all)
	return slices.Compact(all)
}

// without returns those that are not among others.
func (p Positions) without(others Positions) Positions {
	if len(others) == 0 {
		return p
	}
	return slices.DeleteFunc(slices.Clone(p), others.has)
}

// MarshalText implements encoding.TextMarshaler. Positions that are out of order are an error.
func (p Positions) MarshalText() ([]byte, error) {
	gaps := make([]byte, 0, len(p)*bytesEach)
	last := uint64(0)
	for _, position := range p {
		if position < last {
			return nil, errors.New("positions are not in order")
		}
		gaps = binary.AppendUvarint(gaps, position-last)
		last = position
	}
	return base64.RawStdEncoding.AppendEncode(make([]byte, 0, base64.RawStdEncoding.EncodedLen(len(gaps))), gaps), nil
}

// UnmarshalText implements encoding.TextUnmarshaler. What it takes is in order.
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
			return errors.New("positions: a place does not fit in 64 bits, or is cut off")
		}
		last += gap
		all, gaps = append(all, last), gaps[n:]
	}
	*p = all
	return nil
}

// Nodes are the sessions that a tally counted, by where they are. A replica of an older version names none.
type Nodes struct {
	Serving Positions `json:"serving,omitempty"`
	Loading Positions `json:"loading,omitempty"`
	Refused Positions `json:"refused,omitempty"`
	Failed  Positions `json:"failed,omitempty"`
	// Kept are those of Failed whose gateways are unmanaged and would lose something: they are left alone. A leader of an older version sees
	// failures.
	Kept Positions `json:"kept,omitempty"`
}

func (n Nodes) equal(other Nodes) bool {
	return slices.Equal(n.Serving, other.Serving) && slices.Equal(n.Loading, other.Loading) &&
		slices.Equal(n.Refused, other.Refused) && slices.Equal(n.Failed, other.Failed) && slices.Equal(n.Kept, other.Kept)
}
