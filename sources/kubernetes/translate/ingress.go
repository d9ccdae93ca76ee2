package translate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	networking "k8s.io/api/networking/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/kongcrd"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// What services have that nothing says otherwise of.
const (
	defaultTimeout  = 60000
	defaultRetries  = 5
	defaultPort     = 80
	defaultRedirect = 426
)

// ingressRoute is what becomes one route: the paths of one Ingress with the same host and backend.
type ingressRoute struct {
	ingress *networking.Ingress
	host    string
	backend backend
	facade  *kongcrd.ServiceFacade
	paths   []networking.HTTPIngressPath
}

// ingresses translates every Ingress of our class, the oldest first.
func (t *translation) ingresses() {
	var ours []*networking.Ingress
	for _, ingress := range object.List[*networking.Ingress](t.set, "Ingress") {
		if t.oursIngress(ingress) {
			ours = append(ours, ingress)
		}
	}
	slices.SortStableFunc(ours, func(a, b *networking.Ingress) int {
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
	index := map[string]*ingressRoute{}
	var order []*ingressRoute
	for _, ingress := range ours {
		t.secrets.addTLS(ingress)
		order = append(order, t.groupPaths(ingress, index)...)
	}
	for _, r := range order {
		t.addIngressRoute(r)
	}
	t.defaultBackend(ours)
}

// groupPaths gathers the paths of an Ingress that share a route, and returns the routes that are new.
func (t *translation) groupPaths(ingress *networking.Ingress, index map[string]*ingressRoute) []*ingressRoute {
	var added []*ingressRoute
	for _, rule := range ingress.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for _, path := range rule.HTTP.Paths {
			path.Path = oneSlash(path.Path)
			if path.Path == "" {
				path.Path = "/"
			}
			if path.PathType == nil {
				path.PathType = new(networking.PathTypeImplementationSpecific)
			}
			behind, facade, ok := t.ingressBackend(ingress, path.Backend, fmt.Sprintf("path %q", path.Path))
			if !ok {
				continue
			}
			name := ingressRouteName(ingress, rule.Host, behind)
			r := index[name]
			if r == nil {
				r = &ingressRoute{ingress: ingress, host: rule.Host, backend: behind, facade: facade}
				index[name] = r
				added = append(added, r)
			}
			r.paths = append(r.paths, path)
		}
	}
	return added
}

// oneSlash makes one slash of several.
func oneSlash(path string) string { return slashes.ReplaceAllString(path, "/") }

var slashes = regexp.MustCompile(`/{2,}`)

// ingressBackend reads a backend of an Ingress. Where says of which part of it, for problems.
func (t *translation) ingressBackend(
	ingress *networking.Ingress, from networking.IngressBackend, where string,
) (backend, *kongcrd.ServiceFacade, bool) {
	if ingress.Namespace == "" {
		t.problem(object.ReasonInvalid, where+": the object has no namespace", ingress)
		return backend{}, nil, false
	}
	if named := from.Service; named != nil {
		port := portRef{number: named.Port.Number, name: named.Port.Name}
		return backend{namespace: ingress.Namespace, name: named.Name, port: port}, nil, true
	}
	resource := from.Resource
	if resource == nil {
		t.problem(object.ReasonInvalid, where+" has no backend", ingress)
		return backend{}, nil, false
	}
	if resource.Kind != kongcrd.KindServiceFacade || resource.APIGroup == nil || *resource.APIGroup != kongcrd.IncubatorGroup {
		t.problem(object.ReasonUnsupported, fmt.Sprintf("%s has a backend of kind %s, which is none", where, resource.Kind), ingress)
		return backend{}, nil, false
	}
	if !t.ServiceFacade {
		t.problem(object.ReasonUnsupported, where+" has a KongServiceFacade as its backend, which is not enabled", ingress)
		return backend{}, nil, false
	}
	facade, ok := object.Get[*kongcrd.ServiceFacade](t.set, kongcrd.KindServiceFacade, ingress.Namespace, resource.Name)
	if !ok {
		t.problem(object.ReasonUnresolved, fmt.Sprintf("%s: there is no KongServiceFacade %s", where, resource.Name), ingress)
		return backend{}, nil, false
	}
	port := portRef{number: facade.Spec.BackendRef.Port}
	return backend{namespace: ingress.Namespace, name: resource.Name, facade: true, port: port}, facade, true
}

func ingressRouteName(ingress *networking.Ingress, host string, b backend) string {
	if b.facade {
		return fmt.Sprintf("%s.%s.%s.%s.svc.facade", ingress.Namespace, ingress.Name, host, b.name)
	}
	return fmt.Sprintf("%s.%s.%s.%s.%s", ingress.Namespace, ingress.Name, b.name, host, b.port)
}

// ingressService finds or makes the service of a backend.
func (t *translation) ingressService(ingress *networking.Ingress, b backend, facade *kongcrd.ServiceFacade, path string) *service {
	name := fmt.Sprintf("%s.%s.%s", ingress.Namespace, b.name, b.port)
	host := fmt.Sprintf("%s.%s.%s.svc", b.name, ingress.Namespace, b.port)
	var parent object.Object = ingress
	if b.facade {
		name = fmt.Sprintf("%s.%s.svc.facade", ingress.Namespace, b.name)
		host, parent = name, facade
	}
	if s := t.services[name]; s != nil {
		return s
	}
	s := newService(name, host, "http")
	s.Port, s.Path = new(defaultPort), path
	s.namespace, s.backends, s.parent = ingress.Namespace, []backend{b}, parent
	t.services[name] = s
	return s
}

func newService(name, host, protocol string) *service {
	return &service{Service: declarative.Service{
		Name: name, Host: host, Protocol: protocol, Retries: defaultRetries,
		ConnectTimeout: defaultTimeout, ReadTimeout: defaultTimeout, WriteTimeout: defaultTimeout,
	}}
}

// addIngressRoute makes the route of some paths and puts it on its service. A rewrite that cannot be made costs the route.
func (t *translation) addIngressRoute(r *ingressRoute) {
	made := t.ingressRoute(r)
	if err := t.rewrite(&made); err != nil {
		t.problem(object.ReasonInvalid, err.Error(), r.ingress)
		return
	}
	s := t.ingressService(r.ingress, r.backend, r.facade, "/")
	s.routes = append(s.routes, made)
}

func (t *translation) ingressRoute(r *ingressRoute) route {
	made := routeOf(r.ingress, declarative.Route{
		Name:      ingressRouteName(r.ingress, strings.ReplaceAll(r.host, "*", "_"), r.backend),
		Protocols: slices.Sorted(slices.Values(list(r.ingress.Annotations[annotationProtocols]))),
		StripPath: new(false), PreserveHost: new(true), RequestBuffering: new(true), ResponseBuffering: new(true),
		Tags: tagsOf(r.ingress),
	})
	if t.Expressions {
		r.match(&made.Route)
		return made
	}
	made.RegexPriority = new(0)
	if r.host != "" {
		made.Hosts = []string{r.host}
	}
	prefix, ok := r.ingress.Annotations[annotationRegexPrefix]
	if !ok {
		prefix = regexPrefix
	}
	for _, path := range r.paths {
		for _, p := range kongPaths(path) {
			made.Paths = append(made.Paths, markRegex(p, prefix, t.parameters.Spec.EnableLegacyRegexDetection))
		}
	}
	return made
}

// regexPrefix marks a path of an Ingress as a regular expression, and kongRegexPrefix one of a route.
const (
	regexPrefix     = "/~"
	kongRegexPrefix = "~"
)

// kongPaths are the paths of a route that match what a path of an Ingress does.
func kongPaths(path networking.HTTPIngressPath) []string {
	switch *path.PathType {
	case networking.PathTypePrefix:
		base := strings.Trim(path.Path, "/")
		if base == "" {
			return []string{"/"}
		}
		return []string{"/" + base + "/", kongRegexPrefix + "/" + base + "$"}
	case networking.PathTypeExact:
		return []string{kongRegexPrefix + "/" + strings.TrimLeft(path.Path, "/") + "$"}
	case networking.PathTypeImplementationSpecific:
		return []string{path.Path}
	}
	return nil
}

// notRegex is how Kong 2 decided that a path is no regular expression.
var notRegex = regexp.MustCompile(`^[a-zA-Z0-9\.\-_~/%]*$`)

// markRegex marks a path as a regular expression for Kong when it begins with prefix, or, if legacy, when Kong 2 would have taken it as
// one.
func markRegex(path, prefix string, legacy bool) string {
	if rest, ok := strings.CutPrefix(path, prefix); ok {
		return kongRegexPrefix + rest
	}
	if legacy && !notRegex.MatchString(path) && !strings.HasPrefix(path, kongRegexPrefix) {
		return kongRegexPrefix + path
	}
	return path
}

// defaultBackend makes the route of everything that no other takes, of the oldest Ingress that has one.
func (t *translation) defaultBackend(oldestFirst []*networking.Ingress) {
	var chosen *networking.Ingress
	for _, ingress := range oldestFirst {
		switch {
		case ingress.Spec.DefaultBackend == nil:
		case chosen == nil:
			chosen = ingress
		default:
			t.problem(object.ReasonConflict, "the default backend is that of an older object, "+object.RefOf(chosen).String(), ingress)
		}
	}
	if chosen == nil {
		return
	}
	b, facade, ok := t.ingressBackend(chosen, *chosen.Spec.DefaultBackend, "the default backend")
	if !ok {
		return
	}
	made := routeOf(chosen, declarative.Route{
		Name:      chosen.Namespace + "." + chosen.Name,
		StripPath: new(false), PreserveHost: new(true), RequestBuffering: new(true), ResponseBuffering: new(true),
		Tags: tagsOf(chosen),
	})
	if t.Expressions {
		made.Expression, made.Priority = new(compare("http.path", "^=", "/")), new(uint64(0))
	} else {
		made.Paths, made.RegexPriority = []string{"/"}, new(0)
	}
	s := t.ingressService(chosen, b, facade, "")
	s.routes = append(s.routes, made)
}
