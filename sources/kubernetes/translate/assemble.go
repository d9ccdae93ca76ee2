package translate

import (
	"cmp"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// assemble puts everything in the order that a configuration has, derives the ids, and says where each entity came from.
func (t *translation) assemble() Result {
	a := assembly{config: declarative.Config{FormatVersion: declarative.FormatVersion}}
	t.assembleServices(&a)
	for _, u := range t.upstreams {
		slices.SortFunc(u.Targets, func(a, b declarative.Target) int { return cmp.Compare(b.Target, a.Target) })
		a.config.Upstreams = append(a.config.Upstreams, u.Upstream)
		a.origin("upstreams", u.Name, "", u.origins...)
	}
	for _, p := range t.plugins {
		p.ID = t.id("plugins", pluginKey(p.Plugin))
		a.config.Plugins = append(a.config.Plugins, p.Plugin)
		a.origin("plugins", p.Name, p.ID, p.origins...)
	}
	t.assembleConsumers(&a)
	for _, c := range t.certificates {
		a.config.Certificates = append(a.config.Certificates, c.Certificate)
		a.origin("certificates", c.ID, c.ID, c.origins...)
	}
	for _, c := range t.caCertificates {
		a.config.CACertificates = append(a.config.CACertificates, c.CACertificate)
		a.origin("ca_certificates", c.ID, c.ID, c.origin)
	}
	for _, v := range t.vaults {
		a.config.Vaults = append(a.config.Vaults, v.Vault)
		a.origin("vaults", v.Prefix, v.ID, v.origin)
	}
	for _, e := range t.custom {
		if a.config.Custom == nil {
			a.config.Custom = map[string][]declarative.Fields{}
		}
		a.config.Custom[e.kind] = append(a.config.Custom[e.kind], e.fields)
		a.origin(e.kind, e.source.Name, "", object.RefOf(e.source))
	}
	a.sort()
	if standard := a.standard(); standard.Empty() {
		a.config.Upstreams = []declarative.Upstream{{Name: declarative.StubUpstream}}
	}
	return Result{Config: a.config, Problems: object.SortProblems(t.problems), Origins: a.origins}
}

// assembly is a configuration that is being put together.
type assembly struct {
	config  declarative.Config
	origins []Origin
}

func (a *assembly) origin(kind, name, id string, objects ...object.Ref) {
	var distinct []object.Ref
	for _, ref := range objects {
		if !slices.Contains(distinct, ref) {
			distinct = append(distinct, ref)
		}
	}
	a.origins = append(a.origins, Origin{Kind: kind, Name: name, ID: id, Objects: distinct})
}

func (t *translation) assembleServices(a *assembly) {
	for _, name := range t.names() {
		s := t.services[name]
		if s.skipped {
			continue
		}
		made := s.Service
		made.ID = t.id("services", made.Name)
		a.origin("services", made.Name, made.ID, s.refs()...)
		sortNested(made.Plugins)
		for _, r := range s.routes {
			r.ID = t.id("routes", r.Name)
			if r.HTTPSRedirectStatusCode == 0 {
				r.HTTPSRedirectStatusCode = defaultRedirect
			}
			if r.PathHandling == "" && !t.Expressions {
				r.PathHandling = "v0"
			}
			sortNested(r.Plugins)
			made.Routes = append(made.Routes, r.Route)
			a.origin("routes", r.Name, r.ID, append([]object.Ref{object.RefOf(r.source)}, s.backingRefs()...)...)
		}
		slices.SortStableFunc(made.Routes, func(a, b declarative.Route) int { return cmp.Compare(b.Name, a.Name) })
		a.config.Services = append(a.config.Services, made)
	}
}

func sortNested(plugins []declarative.Plugin) {
	slices.SortStableFunc(plugins, func(a, b declarative.Plugin) int { return cmp.Compare(b.Name, a.Name) })
}

func (t *translation) assembleConsumers(a *assembly) {
	slices.SortStableFunc(t.consumers, func(a, b consumer) int {
		return cmp.Or(cmp.Compare(a.Username, b.Username), cmp.Compare(a.CustomID, b.CustomID))
	})
	for _, c := range t.consumers {
		a.config.Consumers = append(a.config.Consumers, c.Consumer)
		a.origin("consumers", c.name(), c.ID, object.RefOf(c.source))
		for _, one := range c.secrets {
			a.origin(kongCredential[one.kind], c.name(), "", one.secret, object.RefOf(c.source))
		}
		for _, group := range c.groups {
			a.config.Memberships = append(a.config.Memberships, declarative.Membership{ConsumerGroup: group, Consumer: c.name()})
		}
	}
	for _, g := range t.groups {
		a.config.ConsumerGroups = append(a.config.ConsumerGroups, g.ConsumerGroup)
		a.origin("consumer_groups", g.Name, g.ID, object.RefOf(g.source))
	}
}

// standard is the configuration without entities of kinds that plugins bring: a gateway is not ready with those alone.
func (a *assembly) standard() declarative.Config {
	config := a.config
	config.Custom = nil
	return config
}

// sort puts lists of entities in the order of a controller's configuration: most by name, the last one first.
func (a *assembly) sort() {
	c := &a.config
	slices.SortStableFunc(c.Services, func(a, b declarative.Service) int { return cmp.Compare(b.Name, a.Name) })
	slices.SortStableFunc(c.Upstreams, func(a, b declarative.Upstream) int { return cmp.Compare(b.Name, a.Name) })
	slices.SortStableFunc(c.Plugins, func(a, b declarative.Plugin) int { return cmp.Compare(pluginOrder(b), pluginOrder(a)) })
	slices.SortStableFunc(c.ConsumerGroups, func(a, b declarative.ConsumerGroup) int { return cmp.Compare(b.Name, a.Name) })
	slices.SortStableFunc(c.Certificates, func(a, b declarative.Certificate) int { return cmp.Compare(b.Cert, a.Cert) })
	slices.SortStableFunc(c.CACertificates, func(a, b declarative.CACertificate) int { return cmp.Compare(b.Cert, a.Cert) })
	slices.SortStableFunc(c.Vaults, func(a, b declarative.Vault) int { return cmp.Compare(b.Prefix, a.Prefix) })
	slices.SortStableFunc(a.origins, func(a, b Origin) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID),
			slices.CompareFunc(a.Objects, b.Objects, object.Compare))
	})
}

func pluginOrder(p declarative.Plugin) string {
	return strings.Join([]string{p.Name, p.Consumer, p.ConsumerGroup, p.Route, p.Service}, "")
}
