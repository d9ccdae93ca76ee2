package wire_test

import (
	"reflect"
	"slices"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/wire"
)

func TestEveryFieldOfAHealthIsConverted(t *testing.T) {
	var h fleet.Health
	fill(t, reflect.ValueOf(&h).Elem())
	m := wire.HealthMessage(&h)
	checkFilled(t, m.ProtoReflect())
	for _, p := range m.GetProbes() {
		checkFilled(t, p.ProtoReflect())
	}
	// Each Go field alone gives a message of its own.
	checkFields(t, fleet.Health{}, func(h fleet.Health) string { return wire.HealthMessage(&h).String() })
	checkFields(t, fleet.ProbeResult{}, func(p fleet.ProbeResult) string {
		return wire.HealthMessage(&fleet.Health{Probes: []fleet.ProbeResult{p}}).String()
	}, "Failing")
	if got := wire.HealthMessage(nil); got != nil {
		t.Errorf("nil is %v", got)
	}
}

// fill gives every field a value that is not its zero.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0))
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	default:
		t.Fatalf("%s: give it a value here", v.Type())
	}
}

func checkFilled(t *testing.T, m protoreflect.Message) {
	t.Helper()
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		if !m.Has(fields.Get(i)) {
			t.Errorf("%s is not set", fields.Get(i).FullName())
		}
	}
}

func checkFields[T any](t *testing.T, zero T, convert func(T) string, local ...string) {
	t.Helper()
	seen := map[string]string{convert(zero): "the zero value"}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		if slices.Contains(local, f.Name) {
			continue
		}
		one := zero
		fill(t, reflect.ValueOf(&one).Elem().FieldByIndex(f.Index))
		message := convert(one)
		if other, is := seen[message]; is {
			t.Errorf("%s is not converted: the message is that of %s", f.Name, other)
		}
		seen[message] = f.Name
	}
}
