package wire_test

import (
	"encoding/json"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/wire"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

func TestEveryFieldOfAProblemIsConvertedAndStored(t *testing.T) {
	fields := (&fleetv1.Problem{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		field, want := fields.Get(i), &fleetv1.Problem{}
		value, ok := map[protoreflect.Kind]protoreflect.Value{
			protoreflect.StringKind: protoreflect.ValueOfString("x"), protoreflect.Int32Kind: protoreflect.ValueOfInt32(7),
			protoreflect.EnumKind: protoreflect.ValueOfEnum(7),
		}[field.Kind()]
		if field.Name() == "other" {
			continue // left out on purpose
		}
		if !ok {
			t.Fatalf("%s: give it a value here", field.Name())
		}
		want.ProtoReflect().Set(field, value)
		record, err := json.Marshal(wire.Problem(want))
		if err != nil {
			t.Fatal(err)
		}
		var stored fleet.Problem
		if err := json.Unmarshal(record, &stored); err != nil {
			t.Fatal(err)
		}
		if got := wire.ProblemMessage(stored); !proto.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", field.Name(), got, want)
		}
	}
}
