package wire_test

import (
	"encoding/json"
	"strings"
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
			continue // only a translator knows it
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

func TestTheOtherPartyOfAProblemIsConverted(t *testing.T) {
	got := wire.ProblemMessage(fleet.Problem{Other: &fleet.Place{Source: "s", Document: "d", Line: 7}}).GetOther()
	if want := (&fleetv1.Problem_Place{Source: "s", Document: "d", Line: 7}); !proto.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestClassesHaveTheNamesOfTheContract(t *testing.T) {
	for number, name := range fleetv1.Problem_Class_name {
		class := fleet.Class(number)
		want := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, "CLASS_"), "_", "-"))
		if number == 0 {
			want = ""
		}
		if class.String() != want || fleet.ParseClass(want) != class {
			t.Errorf("%s: got %q", name, class)
		}
	}
	if got := fleet.ParseClass("of-tomorrow"); got != 0 {
		t.Errorf("an unknown class is %d", got)
	}
}
