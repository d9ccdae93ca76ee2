// Package translate makes Kong's declarative configuration of Kubernetes objects, as Kong Ingress Controller 3.5 does: the same names,
// ids, tags and meaning. It is pure: a set of objects goes in; a configuration, the problems and the provenance of every entity come out,
// equal for equal sets.
package translate

import (
	"time"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// Options are what of a controller's settings changes the configuration. The zero value is the controller's default, but for the class.
type Options struct {
	// IngressClass is the class of objects that are translated; empty is "kong".
	IngressClass string
	// Workspace is a part of derived ids; empty for open source.
	Workspace string
	// Expressions makes routes for the router flavor expressions, else for traditional_compatible.
	Expressions bool
	// ServiceFacade allows backends of kind KongServiceFacade.
	ServiceFacade bool
	// RewriteURIs allows the annotation konghq.com/rewrite.
	RewriteURIs bool
	// RedirectPlugin makes redirects with the plugin redirect of Kong 3.9, which keeps the path of a request.
	RedirectPlugin bool
	// CombinedServices makes one service for rules of several HTTPRoutes of a namespace that have the same backends.
	CombinedServices bool
	// NoCustomEntities refuses objects of kind KongCustomEntity.
	NoCustomEntities bool
	// DrainSupport keeps terminating endpoints with a weight of 0.
	DrainSupport bool
	// ServiceUpstream makes every Service a target itself, by its name in DNS, in place of its endpoints: a gateway without a database reloads
	// everything for a changed target.
	ServiceUpstream bool
	// RemovableTargets gives upstreams without health checks such as hardly ever act, so that a target can be taken out at the Admin API.
	RemovableTargets bool
	// ClusterDomain ends the names of Services that are targets themselves, such as cluster.local; empty leaves it out.
	ClusterDomain string
	// GatewayController is the controller name of GatewayClasses whose listeners bring certificates. Empty is none.
	GatewayController string
	// Attach makes routes of the Gateway API wait for a listener of a Gateway of GatewayController that takes them, and takes hostnames,
	// protocols and certificates from listeners alone. Else every route counts as attached, as its controller has seen to it.
	Attach bool
	// ForeignFields names, for kinds of custom entities, the fields that refer to another entity, with the kind of that entity. Kinds of
	// plugins that come with Kong are known.
	ForeignFields map[string]map[string]string
	// Now is the time at which certificate authorities must not have expired. Zero does not look.
	Now time.Time
}

// Result is what a set of objects means.
type Result struct {
	Config   declarative.Config
	Problems []object.Problem
	// Origins says, for every entity, which objects it came from: first the one that its tags name.
	Origins []Origin
}

// Origin is where an entity came from.
type Origin struct {
	Kind    string       `json:"kind"` // as in Kong's Admin API: services, routes, plugins, …
	Name    string       `json:"name"` // its natural name; of a credential, that of its consumer
	ID      string       `json:"id,omitempty"`
	Objects []object.Ref `json:"objects"`
}

// Translate makes the configuration of the objects in set.
func Translate(set *object.Set, options Options) Result {
	if options.IngressClass == "" {
		options.IngressClass = defaultClass
	}
	t := &translation{Options: options, set: set, secrets: newSNIs(), services: map[string]*service{}}
	t.refuseKinds()
	t.readClass()
	t.ingresses()
	t.httpRoutes()
	t.streamRoutes()
	t.grpcRoutes()
	t.resolveBackends()
	t.balance()
	for _, s := range t.services {
		t.override(s)
	}
	t.readConsumers()
	t.readVaults()
	t.readConsumerGroups()
	t.attachPlugins()
	t.readCustomEntities()
	t.readCertificates()
	t.readCACertificates()
	return t.assemble()
}
