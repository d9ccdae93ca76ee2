package stream

import (
	"testing"

	"google.golang.org/protobuf/proto"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// The generated code must read the frames that this package encodes.
func TestFramesAreTheMessagesOfTheContract(t *testing.T) {
	delta := snapshot.Delta{BaseDigest: "sha256:from", Digest: "sha256:to", Size: 5 << 20}
	for range 3 {
		delta.Ops = append(delta.Ops, snapshot.Op{Copy: &snapshot.Copy{Offset: 3, Length: 4}},
			snapshot.Op{Data: &snapshot.Data{Zstd: make([]byte, partLimit*2/3), RawLength: 7, DictOffset: 8, DictLength: 9}})
	}
	d, err := encodeDelta(delta)
	if err != nil || len(d.parts) != 2 {
		t.Fatalf("encoded in %d further parts, %v", len(d.parts), err)
	}
	head := &distributorv1.Directive{Revision: 1, Digest: "sha256:to", Decision: 2, Term: 3, PartCount: int32(len(d.parts))}
	first, err := directiveFrame(300, head, d.first)
	if err != nil {
		t.Fatal(err)
	}
	parts := delta.Parts(partLimit)
	directive := proto.CloneOf(head)
	directive.Delta = &fleetv1.Delta{BaseDigest: "sha256:from", Digest: "sha256:to", Size: 5 << 20, Operations: operations(parts[0])}
	want := []*distributorv1.FollowAssignmentResponse{{Nonce: 300, Message: &distributorv1.FollowAssignmentResponse_Directive{
		Directive: directive}}}
	got := []*frame{first}
	for i, ops := range parts[1:] {
		want = append(want, &distributorv1.FollowAssignmentResponse{Nonce: 300, Message: &distributorv1.FollowAssignmentResponse_DeltaPart{
			DeltaPart: &distributorv1.DeltaPart{Number: int32(i + 1), Operations: operations(ops)},
		}})
		got = append(got, partFrame(300, d.parts[i]))
	}
	codec := NewCodec()
	for i := range want {
		encoded, err := codec.Marshal(got[i])
		if err != nil {
			t.Fatal(err)
		}
		if encoded.Len() != got[i].size() {
			t.Errorf("message %d has %d bytes, its size is %d", i, encoded.Len(), got[i].size())
		}
		var read distributorv1.FollowAssignmentResponse
		if err := codec.Unmarshal(encoded, &read); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(&read, want[i]) {
			t.Errorf("message %d reads otherwise", i)
		}
	}
	ordinary := &distributorv1.FollowAssignmentResponse{Nonce: 1}
	if encoded, err := codec.Marshal(ordinary); err != nil || encoded.Len() != proto.Size(ordinary) {
		t.Errorf("an ordinary message gave %v, %v", encoded, err)
	}
}

func TestMailboxHoldsTheNewest(t *testing.T) {
	m := newMailbox()
	old, newer := &directive{stamp: fleet.Stamp{Decision: 1}}, &directive{stamp: fleet.Stamp{Decision: 2}}
	if m.put(old) || !m.put(newer) {
		t.Error("the second put must replace, the first must not")
	}
	if len(m.bell) != 1 || m.take() != newer || m.take() != nil {
		t.Error("want the newest, once, and one ring")
	}
	m.putBack(old)
	m.put(newer)
	m.putBack(old)
	if m.take() != newer {
		t.Error("what is put back must not replace what is newer")
	}
}
