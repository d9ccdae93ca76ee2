package controlplanetest

import (
	"fmt"
	"testing"

	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"

	"github.com/silverback-gateway/silverback/kong/snapshot"
)

// Routes seals a snapshot with a terminated route for each name, at the path of that name.
func Routes(t testing.TB, names ...string) *snapshot.Snapshot {
	t.Helper()
	var entities []snapshot.Entity
	for i, name := range names {
		id := fmt.Sprintf("00000000-0000-4000-8000-%012d", i+1)
		pluginID := fmt.Sprintf("00000000-0000-4000-9000-%012d", i+1)
		entities = append(entities,
			snapshot.Entity{Kind: "routes", ID: id, Key: name, JSON: fmt.Appendf(nil, `{"id":%q,"name":%q,"paths":["/%s"]}`, id, name, name)},
			snapshot.Entity{Kind: "plugins", ID: pluginID, Key: name, JSON: fmt.Appendf(nil,
				`{"config":{"message":%q,"status_code":200},"id":%q,"name":"request-termination","route":{"id":%q}}`, name, pluginID, id)})
	}
	s, err := snapshot.Seal(entities)
	if err != nil {
		t.Fatalf("seal: %v", err)
	}
	return s
}

// Directive returns the messages by which a distributor sends a snapshot as a delta against a base. A nil base sends the whole
// snapshot. Parts after the first have a message each.
func Directive(t testing.TB, nonce uint64, revision, decision int64, base, to *snapshot.Snapshot,
	partSize int) []*distributorv1.FollowAssignmentResponse {
	t.Helper()
	var from snapshot.Manifest
	fetch := to.Chunk
	if base != nil {
		from = base.Manifest()
		fetch = func(sum snapshot.Sum) ([]byte, error) {
			if chunk, err := to.Chunk(sum); err == nil {
				return chunk, nil
			}
			return base.Chunk(sum)
		}
	}
	d, err := snapshot.EncodeDelta(from, to.Manifest(), fetch)
	if err != nil {
		t.Fatalf("encode delta: %v", err)
	}
	parts := d.Parts(partSize)
	directive := &distributorv1.Directive{
		Revision: revision, Decision: decision, Term: 1, Digest: string(to.Digest()), PartCount: int32(len(parts) - 1),
		Delta: &fleetv1.Delta{BaseDigest: string(d.BaseDigest), Digest: string(d.Digest), Size: d.Size, Operations: operations(parts[0])},
	}
	all := []*distributorv1.FollowAssignmentResponse{{Nonce: nonce, Message: &distributorv1.FollowAssignmentResponse_Directive{
		Directive: directive}}}
	for i, part := range parts[1:] {
		all = append(all, &distributorv1.FollowAssignmentResponse{Nonce: nonce, Message: &distributorv1.FollowAssignmentResponse_DeltaPart{
			DeltaPart: &distributorv1.DeltaPart{Number: int32(i + 1), Operations: operations(part)},
		}})
	}
	return all
}

func operations(ops []snapshot.Op) []*fleetv1.Delta_Operation {
	var all []*fleetv1.Delta_Operation
	for _, op := range ops {
		if c := op.Copy; c != nil {
			all = append(all, &fleetv1.Delta_Operation{Step: &fleetv1.Delta_Operation_Copy{
				Copy: &fleetv1.Delta_Copy{Offset: c.Offset, Length: c.Length}}})
			continue
		}
		x := op.Data
		all = append(all, &fleetv1.Delta_Operation{Step: &fleetv1.Delta_Operation_Data{Data: &fleetv1.Delta_Data{
			Zstd: x.Zstd, RawLength: x.RawLength, DictOffset: x.DictOffset, DictLength: x.DictLength,
		}}})
	}
	return all
}
