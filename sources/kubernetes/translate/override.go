package translate

import (
	"slices"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// override lets annotations of the Services behind a service, and of what its routes came from, have their way.
func (t *translation) override(s *service) {
	for _, behind := range s.backings() {
		overrideService(&s.Service, behind.Annotations)
		if protocol := behind.Annotations[annotationProtocol]; !protocolKnown(protocol) {
			t.problem(object.ReasonInvalid, annotationProtocol+" is no protocol of Kong", behind)
		}
	}
	if s.Protocol == "grpc" || s.Protocol == "grpcs" {
		s.Path = "" // Kong refuses one
	}
	for i := range s.routes {
		t.overrideRoute(&s.routes[i])
	}
}

func overrideService(s *declarative.Service, a map[string]string) {
	if protocol := a[annotationProtocol]; protocol != "" && protocolKnown(protocol) {
		s.Protocol = protocol
	}
	if path := a[annotationPath]; strings.HasPrefix(path, "/") {
		s.Path = path
	}
	number(a, annotationConnectTimeout, &s.ConnectTimeout)
	number(a, annotationWriteTimeout, &s.WriteTimeout)
	number(a, annotationReadTimeout, &s.ReadTimeout)
	number(a, annotationRetries, &s.Retries)
	if verify, err := strconv.ParseBool(a[annotationTLSVerify]); err == nil {
		s.TLSVerify = new(verify)
	}
	if depth, err := strconv.Atoi(a[annotationTLSVerifyDepth]); err == nil {
		s.TLSVerifyDepth = new(depth)
	}
}

func (t *translation) overrideRoute(r *route) {
	a := r.annotations
	truth(a, annotationStripPath, &r.StripPath)
	overrideRedirect(&r.Route, a)
	truth(a, annotationPreserveHost, &r.PreserveHost)
	boolean(a, annotationRequestBuffering, &r.RequestBuffering)
	boolean(a, annotationResponseBuffering, &r.ResponseBuffering)
	if protocols := list(a[annotationProtocols]); len(protocols) > 0 {
		if slices.ContainsFunc(protocols, func(p string) bool { return !protocolKnown(p) }) {
			t.problem(object.ReasonInvalid, annotationProtocols+" has what is no protocol of Kong", r.source)
		} else {
			r.Protocols = protocols
		}
	}
	if t.Expressions {
		return // the expression says the rest
	}
	t.overrideMatches(r)
	normalizeProtocols(&r.Route)
}

// overrideMatches overrides what only the flavor traditional_compatible has as fields.
func (t *translation) overrideMatches(r *route) {
	a := r.annotations
	invalid := func(annotation string, values []string, valid func(string) bool) bool {
		if !slices.ContainsFunc(values, func(value string) bool { return !valid(value) }) {
			return false
		}
		t.problem(object.ReasonInvalid, annotation+" has a value that is none, so all of it is left out", r.source)
		return true
	}
	if priority, err := strconv.Atoi(a[annotationRegexPriority]); err == nil {
		r.RegexPriority = new(priority)
	}
	if names := methods(a); len(names) > 0 && !invalid(annotationMethods, names, methodForm.MatchString) {
		r.Methods = names
	}
	if value, ok := a[annotationSNIs]; ok {
		// No name at all takes away what there was.
		if names := list(value); !invalid(annotationSNIs, names, sniForm.MatchString) {
			r.SNIs = names
		}
	}
	if aliases := list(a[annotationHostAliases]); len(aliases) > 0 && !invalid(annotationHostAliases, aliases, hostForm.MatchString) {
		r.Hosts = slices.Clone(r.Hosts)
		for _, alias := range aliases {
			if !slices.Contains(r.Hosts, alias) {
				r.Hosts = append(r.Hosts, alias)
			}
		}
	}
	if wanted := headers(a); len(wanted) > 0 {
		r.Headers = wanted
	}
	if handling, ok := a[annotationPathHandling]; ok && !invalid(annotationPathHandling, []string{handling}, pathHandlingKnown) {
		r.PathHandling = handling
	}
}

func pathHandlingKnown(handling string) bool { return handling == "v0" || handling == "v1" }

// boolean sets to, when the annotation is one of Go's words for true and false.
func boolean(a map[string]string, name string, to **bool) {
	if value, err := strconv.ParseBool(strings.ToLower(a[name])); err == nil {
		*to = new(value)
	}
}

func overrideRedirect(r *declarative.Route, a map[string]string) {
	if a[annotationForceSSLRedirect] == "true" {
		r.HTTPSRedirectStatusCode = 302
		r.Protocols = encryptedOnly(r.Protocols)
	}
	switch code, _ := strconv.Atoi(a[annotationHTTPSRedirect]); code {
	case 301, 302, 307, 308, 426:
		r.HTTPSRedirectStatusCode = code
	}
}

// encryptedOnly are the encrypted ones of the families that protocols are of.
func encryptedOnly(protocols []string) []string {
	family := func(name string) bool {
		return slices.ContainsFunc(protocols, func(p string) bool { return strings.Contains(p, name) })
	}
	grpc, http := family("grpc"), family("http")
	switch {
	case grpc && http:
		return []string{"grpcs", "https"}
	case grpc:
		return []string{"grpcs"}
	}
	return []string{"https"}
}

// normalizeProtocols keeps gRPC and HTTP apart, as Kong does: a route of both is one of HTTP. A route of gRPC strips no path.
func normalizeProtocols(r *declarative.Route) {
	grpc, http := false, false
	for _, protocol := range r.Protocols {
		grpc = grpc || strings.Contains(protocol, "grpc")
		http = http || strings.Contains(protocol, "http") || !protocolKnown(protocol)
	}
	if grpc && http {
		r.Protocols = []string{"http", "https"}
	}
	if grpc {
		r.StripPath = nil
	}
}
