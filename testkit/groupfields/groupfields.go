// Package groupfields makes, for every field that a caller may set on a group, a valid group in which that field alone differs from a base.
// It walks the contract by reflection, so that tests fail when a new field is forgotten in a converter, a record, a comparison or a flag.
package groupfields

import (
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

// A Case is a group in which one field differs from Base. Field is its path, such as policy.waves.soak, through the first element of lists.
type Case struct {
	Field string
	Group *registryv1.Group
}

// serverSet are the fields of a group that only the registry sets, and its name.
var serverSet = []string{"name", "create_time", "update_time", "etag", "schema_digests", "schema_backing"}

// special are values of fields for which the plain one is not valid. The plain values are 7, true, "x", 9s and the last of an enum.
var special = map[string]any{
	"policy.on_unhealthy":                   protoreflect.EnumNumber(1), // the last is the default
	"trusted_schemas":                       "sha256:" + strings.Repeat("a", 64),
	"policy.gates.latency.quantile_percent": float64(95),
	"policy.keep_age":                       48 * time.Hour,
	"policy.gates.probes.path":              "/other",
	"policy.gates.probes.expect":            int32(404),
	"policy.gates.probes.host":              "shop.example",
	"policy.gates.probes.timeout":           time.Second,
	"policy.waves.label":                    "zone=eu-1",
	"policy.spread.label":                   "rack",
	"policy.windows.schedule":               "0 22 * * 1-5",
	"policy.windows.duration":               2 * time.Hour,
	"policy.windows.time_zone":              "Europe/Berlin",
}

// Base returns a valid group.
func Base(name string) *registryv1.Group {
	return &registryv1.Group{Name: name, Policy: &fleetv1.RolloutPolicy{
		Waves: []*fleetv1.RolloutPolicy_Wave{
			{Size: &fleetv1.RolloutPolicy_Wave_Nodes{Nodes: 2}}, {Size: &fleetv1.RolloutPolicy_Wave_Percent{Percent: 100}},
		},
		Gates: &fleetv1.Gates{
			Probes:     []*fleetv1.Probe{{Path: "/health"}},
			ErrorRatio: &fleetv1.ErrorRatioGate{MaxIncreasePercent: 9, MinRequests: 9},
			Latency:    &fleetv1.LatencyGate{QuantilePercent: 90, MaxIncreasePercent: 9},
		},
		Spread:  &fleetv1.RolloutPolicy_Spread{Label: "zone", MaxLoadingPercent: 50, MaxValuesLoading: 2},
		Windows: []*fleetv1.RolloutPolicy_Window{{Schedule: "0 8 * * *", Duration: durationpb.New(time.Hour)}},
	}}
}

// Cases returns one case for every field, the fields of messages within included.
func Cases(name string) (all []Case) {
	visit("", Base(name).ProtoReflect().Descriptor(), func(path string) {
		g := Base(name)
		m, field := find(g, path)
		set(m, field, path)
		all = append(all, Case{Field: path, Group: g})
	})
	return all
}

// Value returns the value of a field as text; empty when it is not set.
func Value(g *registryv1.Group, path string) string {
	m, field := find(proto.CloneOf(g), path)
	if !m.Has(field) {
		return ""
	}
	only := m.New()
	only.Set(field, m.Get(field))
	return protojson.Format(only.Interface())
}

func visit(prefix string, d protoreflect.MessageDescriptor, each func(path string)) {
	for i := range d.Fields().Len() {
		field := d.Fields().Get(i)
		path := prefix + string(field.Name())
		switch {
		case prefix == "" && slices.Contains(serverSet, path):
		case field.Message() != nil && !field.IsMap() && field.Message().FullName() != "google.protobuf.Duration":
			visit(path+".", field.Message(), each)
		default:
			each(path)
		}
	}
}

func find(g *registryv1.Group, path string) (protoreflect.Message, protoreflect.FieldDescriptor) {
	m := g.ProtoReflect()
	steps := strings.Split(path, ".")
	for _, step := range steps[:len(steps)-1] {
		field := m.Descriptor().Fields().ByName(protoreflect.Name(step))
		value := m.Mutable(field)
		if field.IsList() {
			if value.List().Len() == 0 {
				value.List().AppendMutable()
			}
			m = value.List().Get(0).Message()
			continue
		}
		m = value.Message()
	}
	return m, m.Descriptor().Fields().ByName(protoreflect.Name(steps[len(steps)-1]))
}

func set(m protoreflect.Message, field protoreflect.FieldDescriptor, path string) {
	value := plain(field)
	if v, ok := special[path]; ok {
		if d, ok := v.(time.Duration); ok {
			v = durationpb.New(d).ProtoReflect()
		}
		value = protoreflect.ValueOf(v)
	}
	switch {
	case field.IsMap():
		m.Mutable(field).Map().Set(protoreflect.ValueOfString("X-Field").MapKey(), protoreflect.ValueOfString("x"))
	case field.IsList():
		m.Mutable(field).List().Append(value)
	default:
		m.Set(field, value)
	}
}

func plain(field protoreflect.FieldDescriptor) protoreflect.Value {
	switch field.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(field.Enum().Values().Get(field.Enum().Values().Len() - 1).Number())
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(7)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(7)
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(7)
	case protoreflect.MessageKind:
		return protoreflect.ValueOfMessage(durationpb.New(9 * time.Second).ProtoReflect())
	case protoreflect.StringKind:
		return protoreflect.ValueOfString("x")
	}
	panic("groupfields: give " + string(field.FullName()) + " a special value")
}
