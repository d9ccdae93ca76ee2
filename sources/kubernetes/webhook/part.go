package webhook

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// maxPart bounds the changed entities that one review has checked by the schemas of gateways.
const maxPart = 500

// entityKey names a top-level entity of a configuration: the plural of its kind, and what tells it from the others.
type entityKey struct{ kind, name string }

func (k entityKey) String() string { return k.kind + "/" + k.name }

// entity is a top-level entity.
type entity struct {
	key   entityKey
	value any
	// put adds the entity to a configuration.
	put func(*declarative.Config)
}

// view is one state of the cluster: what its objects mean, and beside that what the object under review means by itself when nothing of the
// cluster uses it yet.
type view struct {
	translate.Result
	alone translate.Result
}

// problems lists the problems of a view.
func (v view) problems() []object.Problem { return slices.Concat(v.Problems, v.alone.Problems) }

// entities lists the top-level entities of a configuration.
func entities(c declarative.Config) map[entityKey]entity {
	all := make(map[entityKey]entity, len(c.Services)+len(c.Upstreams)+len(c.Plugins)+len(c.Consumers))
	add := func(kind, name string, value any, put func(*declarative.Config)) {
		key := entityKey{kind, name}
		for i := 2; all[key].put != nil; i++ { // what has no name that is its own
			key.name = fmt.Sprintf("%s#%d", name, i)
		}
		all[key] = entity{key: key, value: value, put: put}
	}
	for i := range c.Services {
		add("services", c.Services[i].Name, &c.Services[i], func(to *declarative.Config) { to.Services = append(to.Services, c.Services[i]) })
	}
	for i := range c.Upstreams {
		add("upstreams", c.Upstreams[i].Name, &c.Upstreams[i],
			func(to *declarative.Config) { to.Upstreams = append(to.Upstreams, c.Upstreams[i]) })
	}
	for i := range c.Plugins {
		add("plugins", cmp.Or(c.Plugins[i].ID, c.Plugins[i].Name), &c.Plugins[i],
			func(to *declarative.Config) { to.Plugins = append(to.Plugins, c.Plugins[i]) })
	}
	for i := range c.Consumers {
		add("consumers", consumerName(&c.Consumers[i]), &c.Consumers[i],
			func(to *declarative.Config) { to.Consumers = append(to.Consumers, c.Consumers[i]) })
	}
	for i := range c.ConsumerGroups {
		add("consumer_groups", c.ConsumerGroups[i].Name, &c.ConsumerGroups[i],
			func(to *declarative.Config) { to.ConsumerGroups = append(to.ConsumerGroups, c.ConsumerGroups[i]) })
	}
	for i := range c.Memberships {
		add("consumer_group_consumers", c.Memberships[i].ConsumerGroup+"/"+c.Memberships[i].Consumer, &c.Memberships[i],
			func(to *declarative.Config) { to.Memberships = append(to.Memberships, c.Memberships[i]) })
	}
	for i := range c.Certificates {
		add("certificates", c.Certificates[i].ID, &c.Certificates[i],
			func(to *declarative.Config) { to.Certificates = append(to.Certificates, c.Certificates[i]) })
	}
	for i := range c.CACertificates {
		add("ca_certificates", c.CACertificates[i].ID, &c.CACertificates[i],
			func(to *declarative.Config) { to.CACertificates = append(to.CACertificates, c.CACertificates[i]) })
	}
	for i := range c.Vaults {
		add("vaults", c.Vaults[i].Prefix, &c.Vaults[i], func(to *declarative.Config) { to.Vaults = append(to.Vaults, c.Vaults[i]) })
	}
	for _, kind := range slices.Sorted(maps.Keys(c.Custom)) {
		for i := range c.Custom[kind] {
			add(kind, "", c.Custom[kind][i], func(to *declarative.Config) {
				if to.Custom == nil {
					to.Custom = map[string][]declarative.Fields{}
				}
				to.Custom[kind] = append(to.Custom[kind], c.Custom[kind][i])
			})
		}
	}
	return all
}

func consumerName(c *declarative.Consumer) string { return cmp.Or(c.Username, c.CustomID, c.ID) }

// changed lists the entities of after that before does not have so, in order: at most maxPart, and whether there are more. Of entities that
// are alike for a check there is one.
func changed(before, after map[entityKey]entity) (list []entity, cut bool) {
	keys := slices.SortedFunc(maps.Keys(after), func(a, b entityKey) int {
		return cmp.Or(strings.Compare(a.kind, b.kind), strings.Compare(a.name, b.name))
	})
	seen := map[string]bool{}
	for _, key := range keys {
		now := after[key]
		if was, ok := before[key]; ok && reflect.DeepEqual(was.value, now.value) {
			continue
		}
		if p, ok := now.value.(*declarative.Plugin); ok {
			class := pluginClass(*p)
			if seen[class] {
				continue
			}
			seen[class] = true
		}
		if len(list) == maxPart {
			return list, true
		}
		list = append(list, now)
	}
	return list, false
}

// pluginClass is equal for plugins that differ in nothing but the names of what they are attached to.
func pluginClass(p declarative.Plugin) string {
	p.ID, p.InstanceName, p.Tags = "", "", nil
	for _, scope := range []*string{&p.Service, &p.Route, &p.Consumer, &p.ConsumerGroup} {
		if *scope != "" {
			*scope = "x"
		}
	}
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Sprintf("%p", &p) // cannot be marshaled, so it stands for itself
	}
	return string(text)
}

// closure is list with all that its entities refer to, out of all.
func closure(list []entity, all map[entityKey]entity) []entity {
	find := index(all)
	in := make(map[entityKey]bool, len(list))
	for _, e := range list {
		in[e.key] = true
	}
	for i := 0; i < len(list); i++ { // list grows
		for _, key := range find.references(list[i].value) {
			if e, ok := all[key]; ok && !in[key] {
				in[key] = true
				list = append(list, e)
			}
		}
	}
	return list
}

// finder finds entities by what others call them.
type finder struct {
	routes map[string]entityKey // the service of a route, by the name of the route
	ids    map[string]entityKey
}

func index(all map[entityKey]entity) finder {
	f := finder{routes: map[string]entityKey{}, ids: map[string]entityKey{}}
	for key, e := range all {
		switch v := e.value.(type) {
		case *declarative.Service:
			f.ids[v.ID] = key
			for i := range v.Routes {
				f.routes[v.Routes[i].Name], f.ids[v.Routes[i].ID] = key, key
			}
		case *declarative.Consumer:
			f.ids[v.ID] = key
		case *declarative.ConsumerGroup:
			f.ids[v.ID] = key
		}
	}
	delete(f.ids, "")
	return f
}

// references lists what an entity refers to.
func (f finder) references(value any) []entityKey {
	switch v := value.(type) {
	case *declarative.Service:
		return f.ofService(v)
	case *declarative.Plugin:
		return f.ofPlugin(v)
	case *declarative.Membership:
		return []entityKey{{"consumer_groups", v.ConsumerGroup}, {"consumers", v.Consumer}}
	case declarative.Fields:
		var keys []entityKey
		for _, field := range v {
			if named, ok := field.(declarative.Fields); ok {
				if id, ok := named["id"].(string); ok {
					keys = append(keys, f.ids[id])
				}
			}
		}
		return keys
	}
	return nil
}

func (f finder) ofService(s *declarative.Service) []entityKey {
	keys := []entityKey{{"certificates", s.ClientCertificate}}
	for _, id := range s.CACertificates {
		keys = append(keys, entityKey{"ca_certificates", id})
	}
	for i := range s.Plugins {
		keys = append(keys, f.ofPlugin(&s.Plugins[i])...)
	}
	for i := range s.Routes {
		for j := range s.Routes[i].Plugins {
			keys = append(keys, f.ofPlugin(&s.Routes[i].Plugins[j])...)
		}
	}
	return keys
}

func (f finder) ofPlugin(p *declarative.Plugin) []entityKey {
	return []entityKey{
		{"services", p.Service}, f.routes[p.Route], {"consumers", p.Consumer}, {"consumer_groups", p.ConsumerGroup},
	}
}
