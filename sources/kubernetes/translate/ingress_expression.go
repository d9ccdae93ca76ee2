package translate

import (
	"maps"
	"slices"
	"strings"

	networking "k8s.io/api/networking/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
)

// match makes the expression and the priority of a route of an Ingress.
func (r *ingressRoute) match(made *declarative.Route) {
	annotations := r.ingress.Annotations
	prefix := annotations[annotationRegexPrefix]
	if prefix == "" {
		prefix = regexPrefix
	}
	paths := make([]string, 0, len(r.paths))
	for _, path := range r.paths {
		paths = append(paths, matchIngressPath(path, prefix))
	}
	made.Expression = new(allOf(
		matchHosts(r.hosts()...),
		anyOf(paths...),
		matchHeaders(headers(annotations)),
		matchMethods(methods(annotations)...),
		matchSNIs(list(annotations[annotationSNIs])...),
	))
	made.Priority = new(r.priority(prefix))
}

// hosts are the host of the rule and its aliases.
func (r *ingressRoute) hosts() []string {
	aliases := list(r.ingress.Annotations[annotationHostAliases])
	if r.host == "" {
		return aliases
	}
	return append([]string{r.host}, aliases...)
}

func matchIngressPath(path networking.HTTPIngressPath, prefix string) string {
	const field = "http.path"
	switch *path.PathType {
	case networking.PathTypePrefix:
		base := strings.Trim(path.Path, "/")
		if base == "" {
			return compare(field, "^=", "/")
		}
		return anyOf(compare(field, "==", "/"+base), compare(field, "^=", "/"+base+"/"))
	case networking.PathTypeExact:
		return compare(field, "==", "/"+strings.TrimLeft(path.Path, "/"))
	case networking.PathTypeImplementationSpecific:
		regex, ok := strings.CutPrefix(path.Path, prefix)
		switch {
		case !ok:
			return compare(field, "^=", path.Path)
		case regex == "":
			return compare(field, "~", "^/")
		}
		return compare(field, "~", anchored(regex))
	}
	return ""
}

// matchHeaders matches a request that has one of the values of every header. The host is no such header.
func matchHeaders(wanted map[string][]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if strings.EqualFold(name, "host") {
			continue
		}
		var values []string
		for _, value := range wanted[name] {
			if regex, ok := strings.CutPrefix(value, kongHeaderRegexPrefix); ok {
				values = append(values, compare(headerField(name), "~", regex))
			} else {
				values = append(values, compare(headerField(name), "==", value))
			}
		}
		parts = append(parts, anyOf(values...))
	}
	return allOf(parts...)
}

// kongHeaderRegexPrefix marks the value of a header as a regular expression.
const kongHeaderRegexPrefix = "~*"

// priority orders routes of Ingresses as the flavor traditional_compatible would:
//
//	bits 44-45  the kind Ingress
//	bits 41-43  how many of path, host, headers, methods and SNIs are matched
//	bits 33-40  number of headers
//	bit  32     all hosts are plain
//	bit  16     a path is a regular expression, or is one in the other flavor
//	bits 0-15   length of the longest path
func (r *ingressRoute) priority(prefix string) uint64 {
	const (
		fieldsShift, headersShift, plainShift, regexShift = 41, 33, 32, 16
		maxHeaders, maxLength                             = 255, 1<<16 - 1
	)
	annotations := r.ingress.Annotations
	fields := 0
	count := func(present bool) {
		if present {
			fields++
		}
	}
	hosts, wanted := r.hosts(), headers(annotations)
	count(len(r.paths) > 0)
	count(len(hosts) > 0)
	count(len(wanted) > 0)
	count(len(methods(annotations)) > 0)
	count(len(list(annotations[annotationSNIs])) > 0)

	regex, longest := false, 0
	for _, path := range r.paths {
		isRegex, length := pathTraits(path, prefix)
		regex, longest = regex || isRegex, max(longest, length)
	}
	plain := len(hosts) > 0 && !slices.ContainsFunc(hosts, func(host string) bool { return strings.HasPrefix(host, "*") })

	priority := uint64(kindIngressBits)<<kindShift + uint64(fields)<<fieldsShift +
		uint64(min(len(wanted), maxHeaders))<<headersShift + uint64(min(longest, maxLength))
	if plain {
		priority += 1 << plainShift
	}
	if regex {
		priority += 1 << regexShift
	}
	return priority
}

// pathTraits says whether the other flavor would match a path as a regular expression, and the length that counts.
func pathTraits(path networking.HTTPIngressPath, prefix string) (regex bool, length int) {
	switch *path.PathType {
	case networking.PathTypeExact:
		return true, 1 + len(strings.TrimLeft(path.Path, "/"))
	case networking.PathTypePrefix:
		base := strings.Trim(path.Path, "/")
		if base == "" {
			return true, 1
		}
		return true, 2 + len(base)
	case networking.PathTypeImplementationSpecific:
		if rest, ok := strings.CutPrefix(path.Path, prefix); ok {
			return true, len(rest)
		}
		return false, len(path.Path)
	}
	return false, 0
}
