package translate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/silverback-gateway/silverback/kong/entity"
	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/kongcrd"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// customEntity is an entity of a kind that a plugin brings, while it is being made.
type customEntity struct {
	kind    string
	fields  declarative.Fields
	source  *kongcrd.CustomEntity
	foreign string // what it refers to, by which entities of one object are ordered
}

// ownKinds are kinds that have objects of their own. Entities of another object would stand in the place of what is made of those.
var ownKinds = []string{"services", "routes", "upstreams", "targets", "consumers", "consumer_groups", "consumer_group_consumers", "plugins",
	"certificates", "ca_certificates", "snis", "vaults"}

// knownKinds are the kinds that the translator takes. One of another would have it refuse the whole configuration.
var knownKinds = sync.OnceValue(entity.NewTable)

// foreignFields are the fields of kinds that come with Kong which refer to another entity. A controller that can ask a gateway for a
// schema passes more in the options.
var foreignFields = map[string]map[string]string{
	"degraphql_routes":                      {"service": "services"},
	"graphql_ratelimiting_cost_decorations": {"service": "services"},
}

// readCustomEntities makes the custom entities of our class: one for everything that the plugin is attached to which an entity belongs to.
func (t *translation) readCustomEntities() {
	sources := object.List[*kongcrd.CustomEntity](t.set, kongcrd.KindCustomEntity)
	if len(sources) == 0 {
		return
	}
	attached := t.pluginPlaces(func(string, object.Object) {})
	for _, source := range sources {
		if !t.oursByName(source.Spec.ControllerName) {
			continue
		}
		switch {
		case t.NoCustomEntities:
			t.problem(object.ReasonUnsupported, "custom entities are not enabled", source)
		case slices.Contains(ownKinds, source.Spec.Type):
			t.problem(object.ReasonUnsupported, source.Spec.Type+" have objects of their own", source)
		case knownKinds().Kind(source.Spec.Type) == nil:
			t.problem(object.ReasonUnsupported, fmt.Sprintf("no gateway takes entities of the type %q; type is the plural of a kind, such as "+
				"degraphql_routes", source.Spec.Type), source)
		default:
			t.readCustomEntity(source, attached)
		}
	}
	slices.SortStableFunc(t.custom, func(a, b customEntity) int {
		if a.source == b.source {
			return strings.Compare(a.foreign, b.foreign)
		}
		return 0
	})
}

func (t *translation) readCustomEntity(source *kongcrd.CustomEntity, attached map[pluginName]*attachments) {
	to, ok := t.parentOf(source, attached)
	if !ok {
		return
	}
	fields, ok := t.ForeignFields[source.Spec.Type]
	if !ok {
		fields = foreignFields[source.Spec.Type]
	}
	for _, foreign := range t.foreignIDs(to, fields) {
		var made declarative.Fields
		if json.Unmarshal(source.Spec.Fields, &made) != nil || made == nil {
			t.problem(object.ReasonInvalid, "fields is no object", source)
			return
		}
		order := ""
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			if id, ok := foreign[fields[name]]; ok {
				made[name] = declarative.Fields{"id": id}
				order += id + " "
			}
		}
		t.custom = append(t.custom, customEntity{source.Spec.Type, made, source, order})
	}
}

// parentOf finds what the plugin that an entity names is attached to; nothing for an entity that names none.
func (t *translation) parentOf(source *kongcrd.CustomEntity, attached map[pluginName]*attachments) (*attachments, bool) {
	parent := source.Spec.ParentRef
	if parent == nil || parent.Group != kongcrd.Group || parent.Kind != kongcrd.KindPlugin && parent.Kind != kongcrd.KindClusterPlugin {
		return nil, true
	}
	name := pluginName{source.Namespace, parent.Name}
	if parent.Namespace != "" && parent.Namespace != source.Namespace {
		name.namespace = parent.Namespace
		if !t.granted(source, object.Ref{Group: kongcrd.Group, Kind: kongcrd.KindPlugin, Namespace: parent.Namespace, Name: parent.Name}) {
			t.problem(object.ReasonNotGranted, "no ReferenceGrant allows the plugin that it names", source)
			return nil, false
		}
	}
	namespace := name.namespace
	if parent.Kind == kongcrd.KindClusterPlugin {
		namespace = ""
	}
	if _, ok := object.Get[*kongcrd.Plugin](t.set, parent.Kind, namespace, parent.Name); !ok {
		t.problem(object.ReasonUnresolved, "there is no "+parent.Kind+" "+parent.Name, source)
		return nil, false
	}
	return attached[name], true
}

// foreignIDs lists, by kind, the ids that the fields of an entity can refer to: one combination for each entity that is to be made.
func (t *translation) foreignIDs(to *attachments, fields map[string]string) []map[string]string {
	var wants attachments
	if to != nil {
		for _, kind := range fields {
			switch kind {
			case "services":
				wants.services = t.servicesOf(to)
			case "routes":
				wants.routes = to.routes
			case "consumers":
				wants.consumers = to.consumers
			}
		}
	}
	var combinations []map[string]string
	for _, s := range wants.scopes() {
		ids := map[string]string{}
		for kind, one := range map[string]attachment{"services": s.service, "routes": s.route, "consumers": s.consumer} {
			if one.name != "" {
				ids[kind] = t.id(kind, one.name)
			}
		}
		combinations = append(combinations, ids)
	}
	if combinations == nil {
		return []map[string]string{{}}
	}
	return combinations
}

// servicesOf are the services that a plugin is attached to, or else those of the routes that it is attached to.
func (t *translation) servicesOf(to *attachments) []attachment {
	if len(to.services) > 0 {
		return to.services
	}
	var found []attachment
	for _, name := range t.names() {
		s := t.services[name]
		for i := range s.routes {
			if slices.ContainsFunc(to.routes, func(a attachment) bool { return a.route == &s.routes[i] }) {
				found = append(found, attachment{name: s.Name})
				break
			}
		}
	}
	return found
}
