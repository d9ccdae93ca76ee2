package controller

import (
	"cmp"
	"maps"
	"reflect"
	"slices"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/sources/kubernetes/content"
	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// common is the share of what belongs to no namespace alone: consumers, certificates, vaults, and plugins of neither services nor routes.
const common = ""

// maxShares bounds the shares of a configuration: each is a document of a submission.
const maxShares = 5000

// part is the share of a namespace in a configuration: its services, with routes, upstreams and plugins; or what is common.
type part struct {
	config  declarative.Config
	origins []translate.Origin
	// beside has what the share refers to and does not hold: consumers, groups and certificates of the common one.
	beside declarative.Config
}

// split divides a configuration into the shares of namespaces and the common one. No share refers to any but itself and the common one, so
// that each can be compiled without the others. A configuration that cannot be divided so is one share, unless it always has to be.
func split(result translate.Result, always bool) map[string]*part {
	s := splitter{parts: map[string]*part{}, services: map[string]string{}, routes: map[string]string{}, hosts: map[string]string{}}
	config := result.Config
	namespaces := map[string]string{} // of routes and services, by the names of their entities
	for _, o := range result.Origins {
		if (o.Kind == "routes" || o.Kind == "services") && len(o.Objects) > 0 {
			namespaces[o.Kind+" "+o.Name] = o.Objects[0].Namespace
		}
	}
	for _, service := range config.Services {
		namespace := namespaces["services "+service.Name]
		if len(service.Routes) > 0 {
			namespace = namespaces["routes "+service.Routes[0].Name] // the backends may be in another one
		}
		s.service(namespace, service)
	}
	s.others(config)
	if !always && (len(config.Custom) > 0 || len(s.parts) > maxShares || s.shared) {
		return map[string]*part{common: {config: config, origins: result.Origins}}
	}
	for _, o := range result.Origins {
		p := s.part(s.shareOf(o))
		p.origins = append(p.origins, o)
	}
	refer(s.parts)
	return s.parts
}

// splitter divides a configuration.
type splitter struct {
	parts map[string]*part
	// services, routes and hosts say which share has a service or route of a name or id, and an upstream of a name; plugins one of an id.
	services, routes, hosts, plugins map[string]string
	shared                           bool // something is of two namespaces
}

func (s *splitter) part(share string) *part {
	p := s.parts[share]
	if p == nil {
		p = &part{config: declarative.Config{FormatVersion: declarative.FormatVersion}}
		s.parts[share] = p
	}
	return p
}

func (s *splitter) service(share string, service declarative.Service) {
	p := s.part(share)
	p.config.Services = append(p.config.Services, service)
	s.services[service.Name], s.services[service.ID] = share, share
	for _, r := range service.Routes {
		s.routes[r.Name], s.routes[r.ID] = share, share
	}
	if other, known := s.hosts[service.Host]; known && other != share {
		s.shared = true
	}
	s.hosts[service.Host] = share
}

// others divides all but services.
func (s *splitter) others(config declarative.Config) {
	for _, u := range config.Upstreams {
		p := s.part(s.hosts[u.Name])
		p.config.Upstreams = append(p.config.Upstreams, u)
	}
	s.plugins = map[string]string{}
	instances := map[string]bool{}
	for _, plugin := range config.Plugins {
		share := common
		switch {
		case plugin.Route != "":
			share = s.routes[plugin.Route]
		case plugin.Service != "":
			share = s.services[plugin.Service]
		}
		s.shared = s.shared || plugin.InstanceName != "" && instances[plugin.InstanceName]
		instances[plugin.InstanceName] = true
		s.plugins[plugin.ID] = share
		p := s.part(share)
		p.config.Plugins = append(p.config.Plugins, plugin)
	}
	for kind, list := range config.Custom {
		for _, fields := range list {
			p := s.part(s.custom(fields))
			if p.config.Custom == nil {
				p.config.Custom = map[string][]declarative.Fields{}
			}
			p.config.Custom[kind] = append(p.config.Custom[kind], fields)
		}
	}
	rest := s.part(common)
	rest.config.Consumers, rest.config.ConsumerGroups, rest.config.Memberships = config.Consumers, config.ConsumerGroups, config.Memberships
	rest.config.Certificates, rest.config.CACertificates, rest.config.Vaults = config.Certificates, config.CACertificates, config.Vaults
}

// custom is the share of an entity of a kind that a plugin brings: that of the service or route that it refers to.
func (s *splitter) custom(fields declarative.Fields) string {
	for field, known := range map[string]map[string]string{"service": s.services, "route": s.routes} {
		name, _ := fields[field].(string)
		if ref, ok := fields[field].(map[string]any); ok {
			for _, by := range []string{"name", "id"} {
				if text, ok := ref[by].(string); ok {
					name = text
				}
			}
		}
		if share, ok := known[name]; ok && name != "" {
			return share
		}
	}
	return common
}

func (s *splitter) shareOf(o translate.Origin) string {
	switch o.Kind {
	case "services":
		return s.services[o.Name]
	case "routes":
		return s.routes[o.Name]
	case "upstreams":
		return s.hosts[o.Name]
	case "plugins":
		return s.plugins[o.ID]
	}
	return common
}

// refer notes what each share refers to in the common one.
func refer(parts map[string]*part) {
	all := parts[common].config
	consumers, groups := map[string]declarative.Consumer{}, map[string]declarative.ConsumerGroup{}
	certificates, authorities := map[string]declarative.Certificate{}, map[string]declarative.CACertificate{}
	for _, c := range all.Consumers {
		alone := declarative.Consumer{ID: c.ID, Username: c.Username, CustomID: c.CustomID}
		for _, name := range []string{c.CustomID, c.Username, c.ID} {
			consumers[name] = alone
		}
	}
	for _, g := range all.ConsumerGroups {
		groups[g.Name], groups[g.ID] = g, g
	}
	for _, c := range all.Certificates {
		certificates[c.ID] = declarative.Certificate{ID: c.ID, Cert: c.Cert, Key: c.Key}
	}
	for _, c := range all.CACertificates {
		authorities[c.ID] = c
	}
	for share, p := range parts {
		if share == common {
			continue
		}
		var wanted struct{ consumers, groups, certificates, authorities []string }
		for _, plugin := range p.config.Plugins {
			wanted.consumers, wanted.groups = append(wanted.consumers, plugin.Consumer), append(wanted.groups, plugin.ConsumerGroup)
		}
		for _, service := range p.config.Services {
			wanted.certificates = append(wanted.certificates, service.ClientCertificate)
			wanted.authorities = append(wanted.authorities, service.CACertificates...)
		}
		p.beside.FormatVersion = declarative.FormatVersion
		p.beside.Consumers = pick(wanted.consumers, consumers, func(c declarative.Consumer) string {
			return cmp.Or(c.ID, c.Username, c.CustomID)
		})
		p.beside.ConsumerGroups = pick(wanted.groups, groups, func(g declarative.ConsumerGroup) string { return cmp.Or(g.ID, g.Name) })
		p.beside.Certificates = pick(wanted.certificates, certificates, func(c declarative.Certificate) string { return c.ID })
		p.beside.CACertificates = pick(wanted.authorities, authorities, func(c declarative.CACertificate) string { return c.ID })
	}
}

// pick lists the entities of the names, each once, by their identities.
func pick[T any](names []string, all map[string]T, identity func(T) string) []T {
	found := map[string]T{}
	for _, name := range names {
		if one, ok := all[name]; ok && name != "" {
			found[identity(one)] = one
		}
	}
	var list []T
	for _, name := range slices.Sorted(maps.Keys(found)) {
		list = append(list, found[name])
	}
	return list
}

// compiled is what a share was made of and came to.
type compiled struct {
	part
	document document
	content  *content.Content
	forms    delivery.Forms
}

// compilation is a whole configuration, share by share.
type compilation struct {
	documents documents
	content   *content.Content
	forms     delivery.Forms
}

// compiler compiles configurations, and keeps what it made of each share for the next one: what is as before is not compiled again. The
// zero value keeps nothing yet; nil never does.
type compiler struct {
	shares map[string]*compiled
	last   compilation
}

// compile compiles the shares of a configuration, which has all the origins. Its documents are known although there are problems.
func (c *compiler) compile(parts map[string]*part, origins []translate.Origin) (compilation, []fleet.Problem, error) {
	if c == nil {
		c = &compiler{}
	}
	next, changed := map[string]*compiled{}, false
	var problems []fleet.Problem
	for share, p := range parts {
		before := c.shares[share]
		if before != nil && reflect.DeepEqual(before.part, *p) {
			next[share] = before
			continue
		}
		changed = true
		made, refused, err := compilePart(share, *p)
		if err != nil {
			return compilation{}, nil, err
		}
		next[share] = made
		problems = append(problems, refused...)
	}
	var made compilation
	for _, share := range slices.Sorted(maps.Keys(next)) {
		made.documents = append(made.documents, next[share].document)
	}
	if len(problems) > 0 {
		return made, problems, nil
	}
	if !changed && len(next) == len(c.shares) && c.last.content != nil {
		return c.last, nil, nil
	}
	var contents []*content.Content
	var forms []delivery.Forms
	for _, share := range slices.Sorted(maps.Keys(next)) {
		contents, forms = append(contents, next[share].content), append(forms, next[share].forms)
	}
	joined, ok := content.Join(contents)
	if !ok { // two namespaces claim one thing: the compiler says which
		whole, refused := content.Compile(made.documents.texts())
		if len(refused) > 0 {
			return made, refused, nil
		}
		made.content, made.forms = whole, delivery.FormsOf(whole, origins)
		return made, nil, nil
	}
	made.content, made.forms = joined, delivery.JoinForms(forms)
	c.shares, c.last = next, made
	return made, nil, nil
}

// compilePart compiles a share beside what it refers to.
func compilePart(share string, p part) (*compiled, []fleet.Problem, error) {
	made := &compiled{part: p}
	var err error
	if made.document, err = newDocument(documentOf(share), p.config, p.origins); err != nil {
		return nil, nil, err
	}
	beside, err := newDocument(documentOf(common), p.beside, nil)
	if err != nil {
		return nil, nil, err
	}
	var problems []fleet.Problem
	made.content, problems = content.CompileBeside([]content.Document{made.document.content()}, beside.content())
	if len(problems) == 0 {
		made.forms = delivery.FormsOf(made.content, p.origins)
	}
	return made, problems, nil
}

// documents are those of a configuration.
type documents []document

func (d documents) texts() []content.Document {
	list := make([]content.Document, 0, len(d))
	for _, one := range d {
		list = append(list, one.content())
	}
	return list
}

// objects are those that a problem of a document is about, the most telling first; nil when it cannot be led back to any.
func (d documents) objects(p fleet.Problem) []object.Ref {
	for _, one := range d {
		if refs := one.named(p); refs != nil {
			return refs
		}
	}
	for _, one := range d {
		if one.name == p.Document {
			return one.origins[one.lines[p.Line]]
		}
	}
	return nil
}
