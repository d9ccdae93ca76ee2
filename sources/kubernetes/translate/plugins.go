package translate

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/kongcrd"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// plugin is a plugin that is being made.
type plugin struct {
	declarative.Plugin
	origins []object.Ref
}

// pluginName names a plugin in an annotation: by its namespace too, where it is in another.
type pluginName struct{ namespace, name string }

// pluginNames reads the annotation konghq.com/plugins. A name is one of the object's namespace unless it says namespace:name.
func pluginNames(annotations map[string]string) []pluginName {
	var names []pluginName
	for item := range strings.SplitSeq(annotations[annotationPlugins], ",") {
		if strings.TrimSpace(item) == "" {
			continue
		}
		namespace, name, remote := strings.Cut(item, ":")
		switch {
		case !remote:
			names = append(names, pluginName{name: strings.TrimSpace(item)})
		case namespace != "" && name != "":
			names = append(names, pluginName{strings.TrimSpace(namespace), strings.TrimSpace(name)})
		}
	}
	return names
}

// attachment is one entity that a plugin is attached to, and the object that says so.
type attachment struct {
	name  string
	by    object.Object
	route *route // of an attachment to a route
}

// attachments are all of one plugin.
type attachments struct{ services, routes, consumers, groups []attachment }

// pluginPlaces gathers, for every plugin that annotations name, what it is attached to.
func (t *translation) pluginPlaces(denied func(message string, by object.Object)) map[pluginName]*attachments {
	found := map[pluginName]*attachments{}
	note := func(by object.Object, annotations map[string]string, to attachment, list func(*attachments) *[]attachment) {
		to.by = by
		for _, name := range pluginNames(annotations) {
			if name.namespace == "" {
				name.namespace = by.GetNamespace()
			} else if !t.granted(by, object.Ref{Group: kongcrd.Group, Kind: kongcrd.KindPlugin, Namespace: name.namespace, Name: name.name}) {
				denied(fmt.Sprintf("no ReferenceGrant allows the plugin %s/%s here", name.namespace, name.name), by)
				continue
			}
			if found[name] == nil {
				found[name] = &attachments{}
			}
			known := list(found[name])
			// Several Services of one service follow each other.
			if n := len(*known); n == 0 || (*known)[n-1].name != to.name {
				*known = append(*known, to)
			}
		}
	}
	for _, name := range t.names() {
		s := t.services[name]
		if s.skipped {
			continue
		}
		for _, behind := range s.backings() {
			note(behind, behind.Annotations, attachment{name: s.Name}, func(a *attachments) *[]attachment { return &a.services })
		}
		for i := range s.routes {
			r := &s.routes[i]
			note(r.source, r.annotations, attachment{name: r.Name, route: r}, func(a *attachments) *[]attachment { return &a.routes })
		}
	}
	for _, c := range t.consumers {
		note(c.source, c.source.Annotations, attachment{name: c.name()}, func(a *attachments) *[]attachment { return &a.consumers })
	}
	for _, g := range t.groups {
		note(g.source, g.source.Annotations, attachment{name: g.Name}, func(a *attachments) *[]attachment { return &a.groups })
	}
	return found
}

// attachPlugins makes a plugin for everything that an annotation attaches one to, and those that are global.
func (t *translation) attachPlugins() {
	found := t.pluginPlaces(func(message string, by object.Object) { t.problem(object.ReasonNotGranted, message, by) })
	names := slices.SortedFunc(maps.Keys(found), func(a, b pluginName) int {
		return strings.Compare(a.namespace+":"+a.name, b.namespace+":"+b.name)
	})
	for _, name := range names {
		t.attachPlugin(name, found[name])
	}
	t.globalPlugins()
}

// scope is one combination of what a plugin is attached to.
type scope struct{ service, route, consumer, group attachment }

// scopes combines attachments: every consumer, or else every group, with every service and route; what there is none of is left out.
func (a *attachments) scopes() []scope {
	var places []scope
	for _, s := range a.services {
		places = append(places, scope{service: s})
	}
	for _, r := range a.routes {
		places = append(places, scope{route: r})
	}
	who, set := a.consumers, func(s *scope, c attachment) { s.consumer = c }
	if len(who) == 0 {
		who, set = a.groups, func(s *scope, g attachment) { s.group = g }
	}
	if len(who) == 0 {
		return places
	}
	if len(places) == 0 {
		places = []scope{{}}
	}
	var combined []scope
	for _, one := range who {
		for _, place := range places {
			set(&place, one)
			combined = append(combined, place)
		}
	}
	return combined
}

// who lists the objects that attach a plugin in this combination.
func (s scope) who() []object.Object {
	var who []object.Object
	for _, a := range []attachment{s.consumer, s.group, s.route, s.service} {
		if a.by != nil {
			who = append(who, a.by)
		}
	}
	return who
}

// key is what makes the name of an instance unique.
func (s scope) key() string {
	var key strings.Builder
	for _, part := range []struct {
		kind string
		to   attachment
	}{{"service", s.service}, {"route", s.route}, {"consumer", s.consumer}, {"group", s.group}} {
		if part.to.name != "" {
			key.WriteString("_" + part.kind + "-" + part.to.name)
		}
	}
	return key.String()
}

func (t *translation) attachPlugin(name pluginName, to *attachments) {
	source, ok := t.findPlugin(name)
	if !ok {
		for _, s := range to.scopes() {
			for _, by := range s.who() {
				t.problem(object.ReasonUnresolved, "there is no KongPlugin or KongClusterPlugin "+name.name, by)
			}
		}
		return
	}
	made, origins, ok := t.pluginOf(source)
	if !ok {
		return
	}
	used := map[string]bool{}
	for _, s := range to.scopes() {
		one := plugin{Plugin: made, origins: slices.Clone(origins)}
		one.Service, one.Route, one.Consumer, one.ConsumerGroup = s.service.name, s.route.name, s.consumer.name, s.group.name
		if one.InstanceName != "" {
			one.InstanceName = instanceName(one.InstanceName, s.key(), used)
		}
		for _, by := range s.who() {
			one.origins = append(one.origins, object.RefOf(by))
		}
		t.plugins = append(t.plugins, one)
	}
}

// instanceName makes the name of an instance unique by what it is attached to.
func instanceName(name, key string, used map[string]bool) string {
	const short = 9
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(key)))
	unique := name + "-" + sum[:short]
	if used[unique] {
		unique = name + "-" + sum
	}
	used[unique] = true
	return unique
}

// findPlugin finds a KongPlugin of the namespace, or else a KongClusterPlugin.
func (t *translation) findPlugin(name pluginName) (*kongcrd.Plugin, bool) {
	if p, ok := object.Get[*kongcrd.Plugin](t.set, kongcrd.KindPlugin, name.namespace, name.name); ok {
		return p, true
	}
	return object.Get[*kongcrd.Plugin](t.set, kongcrd.KindClusterPlugin, "", name.name)
}

// globalPlugins makes the KongClusterPlugins that are labelled global. Two of one plugin take each other out.
func (t *translation) globalPlugins() {
	byName := map[string][]*kongcrd.Plugin{}
	for _, p := range object.List[*kongcrd.Plugin](t.set, kongcrd.KindClusterPlugin) {
		if p.Labels[labelGlobal] == "true" && t.ours(p) {
			byName[p.PluginName] = append(byName[p.PluginName], p)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		same := byName[name]
		if len(same) > 1 {
			for _, p := range same {
				t.problem(object.ReasonConflict, "several global plugins are a "+name+", so none applies", p)
			}
			continue
		}
		if made, origins, ok := t.pluginOf(same[0]); ok {
			t.plugins = append(t.plugins, plugin{made, origins})
		}
	}
}

// pluginOf makes the plugin of an object, attached to nothing yet.
func (t *translation) pluginOf(source *kongcrd.Plugin) (declarative.Plugin, []object.Ref, bool) {
	if source.PluginName == "" {
		t.problem(object.ReasonInvalid, "it names no plugin", source)
		return declarative.Plugin{}, nil, false
	}
	config, secrets, err := t.pluginConfig(source)
	if err != nil {
		t.problem(object.ReasonInvalid, err.Error(), source)
		return declarative.Plugin{}, nil, false
	}
	made := declarative.Plugin{
		Name: source.PluginName, InstanceName: source.InstanceName, Protocols: source.Protocols, Config: config, Tags: tagsOf(source),
	}
	if source.Disabled {
		made.Enabled = new(false)
	}
	if present(source.Ordering) {
		made.Ordering = source.Ordering
	}
	return made, append([]object.Ref{object.RefOf(source)}, secrets...), true
}

func present(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

// pluginConfig is the configuration of a plugin: as written, with patches of Secrets, or all of it from one Secret. Errors hold nothing
// of a Secret.
func (t *translation) pluginConfig(source *kongcrd.Plugin) (declarative.Fields, []object.Ref, error) {
	var tree any = map[string]any{}
	if present(source.Config) {
		if err := json.Unmarshal(source.Config, &tree); err != nil {
			return nil, nil, errors.New("config is not JSON")
		}
	}
	var secrets []object.Ref
	for _, p := range source.ConfigPatches {
		text, ref, err := t.secretValue(source, p.ValueFrom)
		if err != nil {
			return nil, nil, err
		}
		secrets = append(secrets, ref)
		var value any
		if json.Unmarshal(text, &value) != nil {
			return nil, nil, fmt.Errorf("configPatches: what %s has for %q is not JSON", ref, p.Path)
		}
		if tree, err = patch(tree, p.Path, value); err != nil {
			return nil, nil, fmt.Errorf("configPatches: %q: %w", p.Path, err)
		}
	}
	config, ok := tree.(map[string]any)
	if !ok {
		return nil, nil, errors.New("config is no object")
	}
	if source.ConfigFrom == nil {
		return config, secrets, nil
	}
	if len(config) > 0 {
		return nil, nil, errors.New("it has both config and configFrom")
	}
	text, ref, err := t.secretValue(source, *source.ConfigFrom)
	if err != nil {
		return nil, nil, err
	}
	if yaml.Unmarshal(text, &config) != nil {
		return nil, nil, fmt.Errorf("configFrom: what %s has is neither JSON nor YAML", ref)
	}
	return config, append(secrets, ref), nil
}

// secretValue reads a value of a Secret of the plugin's namespace; a KongClusterPlugin names the namespace.
func (t *translation) secretValue(source *kongcrd.Plugin, from kongcrd.ConfigSource) ([]byte, object.Ref, error) {
	named := from.SecretKeyRef
	namespace := source.Namespace
	if namespace == "" {
		namespace = named.Namespace
	}
	secret, ok := t.secret(namespace, named.Name)
	if !ok {
		return nil, object.Ref{}, fmt.Errorf("there is no Secret %s/%s", namespace, named.Name)
	}
	value, ok := secret.Data[named.Key]
	if !ok {
		return nil, object.Ref{}, fmt.Errorf("the Secret %s/%s has no key %q", namespace, named.Name, named.Key)
	}
	return value, object.RefOf(secret), nil
}

// trustedBy lists the authorities that a plugin's configuration names.
func trustedBy(p *kongcrd.Plugin) []string {
	var config struct {
		CACertificates []string `json:"ca_certificates"`
	}
	if json.Unmarshal(p.Config, &config) != nil {
		return nil
	}
	return config.CACertificates
}
