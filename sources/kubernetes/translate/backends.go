package translate

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	core "k8s.io/api/core/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/kongcrd"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

// resolveBackends finds the Services behind every service, and takes from them what they say about it.
func (t *translation) resolveBackends() {
	for _, name := range t.names() {
		s := t.services[name]
		var found []*core.Service
		for _, b := range s.backends {
			if behind := t.backing(b, s.parent); behind != nil {
				found = append(found, behind)
			}
		}
		if t.contradict(name, found) {
			s.skipped = true
			continue
		}
		s.backing = map[string]*core.Service{}
		for _, behind := range found {
			behind = behind.DeepCopy()
			t.applyTLSPolicy(behind)
			t.clientCertificate(s, behind)
			t.trustedAuthorities(s, behind)
			s.backing[behind.Namespace+"/"+behind.Name] = behind
		}
		s.Tags = serviceTags(s, found)
	}
}

// backing finds the Service of a backend. The annotations of a facade come before those of its Service.
func (t *translation) backing(b backend, parent object.Object) *core.Service {
	name := b.name
	var facade *kongcrd.ServiceFacade
	if b.facade {
		var ok bool
		if facade, ok = object.Get[*kongcrd.ServiceFacade](t.set, kongcrd.KindServiceFacade, b.namespace, b.name); !ok {
			return nil
		}
		name = facade.Spec.BackendRef.Name
	}
	behind, ok := object.Get[*core.Service](t.set, "Service", b.namespace, name)
	if !ok {
		t.problem(object.ReasonUnresolved, fmt.Sprintf("there is no Service %s/%s", b.namespace, name), parent)
		return nil
	}
	if facade == nil {
		return behind
	}
	behind = behind.DeepCopy()
	if behind.Annotations == nil {
		behind.Annotations = map[string]string{}
	}
	maps.Copy(behind.Annotations, facade.Annotations)
	return behind
}

// contradict says whether Services that share a load have different annotations of Kong's.
func (t *translation) contradict(name string, services []*core.Service) bool {
	differ := map[string]bool{}
	for _, one := range services {
		for annotation, value := range one.Annotations {
			if !strings.HasPrefix(annotation, annotationPrefix) {
				continue
			}
			for _, other := range services {
				if also, ok := other.Annotations[annotation]; !ok || also != value {
					differ[annotation] = true
				}
			}
		}
	}
	for _, annotation := range slices.Sorted(maps.Keys(differ)) {
		for _, one := range services {
			t.problem(object.ReasonConflict,
				fmt.Sprintf("the Services behind %s differ in their annotation %s, so it is left out", name, annotation), one)
		}
	}
	return len(differ) > 0
}

// serviceTags name the one Service behind a service, or what made a service of several.
func serviceTags(s *service, found []*core.Service) []string {
	switch {
	case len(found) == 0:
		return slices.Clone(unknownTags)
	case len(found) > 1 || s.backends[0].facade:
		return tagsOf(s.parent)
	}
	return tagsOf(found[0])
}

// applyTLSPolicy writes what a BackendTLSPolicy says of a Service as the annotations that mean the same.
func (t *translation) applyTLSPolicy(behind *core.Service) {
	var policies []*gateway.BackendTLSPolicy
	for _, policy := range object.List[*gateway.BackendTLSPolicy](t.set, "BackendTLSPolicy") {
		for _, r := range policy.Spec.TargetRefs {
			if (r.Group == "" || r.Group == "core") && r.Kind == "Service" && string(r.Name) == behind.Name &&
				policy.Namespace == behind.Namespace {
				policies = append(policies, policy)
				break
			}
		}
	}
	if len(policies) > 1 {
		t.problem(object.ReasonConflict, "several BackendTLSPolicies target the Service, so none applies", behind)
	}
	if len(policies) != 1 {
		return
	}
	policy := policies[0].Spec
	if behind.Annotations == nil {
		behind.Annotations = map[string]string{}
	}
	a := behind.Annotations
	a[annotationTLSVerify] = "true"
	a[annotationHostHeader] = string(policy.Validation.Hostname)
	a[annotationProtocol] = "https"
	for _, ref := range policy.Validation.CACertificateRefs {
		switch ref.Kind {
		case "ConfigMap":
			appendTo(a, annotationCACertConfigMaps, string(ref.Name))
		case "Secret":
			appendTo(a, annotationCACertSecrets, string(ref.Name))
		}
	}
	const depthOption = "tls-verify-depth"
	if depth, err := strconv.Atoi(string(policy.Options[depthOption])); err == nil && depth >= 0 {
		a[annotationTLSVerifyDepth] = strconv.Itoa(depth)
	}
}

func appendTo(annotations map[string]string, name, value string) {
	if annotations[name] != "" {
		value = annotations[name] + "," + value
	}
	annotations[name] = value
}

// encrypted says whether Kong speaks TLS to a Service, by the protocol that the Service names.
func encrypted(behind *core.Service) (protocol string, yes bool) {
	protocol = behind.Annotations[annotationProtocol]
	if protocol == "" {
		protocol = "http"
	}
	return protocol, !slices.Contains([]string{"http", "grpc", "tcp", "tls_passthrough", "udp", "ws"}, protocol)
}

// clientCertificate takes the certificate with which Kong shows itself to a Service.
func (t *translation) clientCertificate(s *service, behind *core.Service) {
	name := behind.Annotations[annotationClientCert]
	if name == "" {
		return
	}
	secret, ok := t.secret(behind.Namespace, name)
	if !ok {
		t.problem(object.ReasonUnresolved, fmt.Sprintf("there is no Secret %s/%s with a client certificate", behind.Namespace, name), behind)
		return
	}
	if protocol, yes := encrypted(behind); !yes {
		t.problem(object.ReasonInvalid, "a client certificate makes no sense for the protocol "+protocol, behind)
		return
	}
	t.secrets.add(secret.Namespace+"/"+secret.Name, behind)
	s.ClientCertificate = t.certificateID(secret)
}

// trustedAuthorities takes the authorities by which Kong judges the certificate of a Service.
func (t *translation) trustedAuthorities(s *service, behind *core.Service) {
	secrets, maps := list(behind.Annotations[annotationCACertSecrets]), list(behind.Annotations[annotationCACertConfigMaps])
	if len(secrets)+len(maps) == 0 {
		return
	}
	if verify, err := strconv.ParseBool(behind.Annotations[annotationTLSVerify]); err != nil || !verify {
		t.problem(object.ReasonInvalid, "authorities are named, but konghq.com/tls-verify is not true", behind)
		return
	}
	if protocol, yes := encrypted(behind); !yes {
		t.problem(object.ReasonInvalid, "authorities make no sense for the protocol "+protocol, behind)
		return
	}
	trust := func(kind, name, id string, found bool) {
		switch {
		case !found:
			t.problem(object.ReasonUnresolved, fmt.Sprintf("there is no %s %s/%s with an authority", kind, behind.Namespace, name), behind)
		case id == "":
			t.problem(object.ReasonInvalid, fmt.Sprintf("%s %s/%s has an authority, but no id", kind, behind.Namespace, name), behind)
		default:
			s.CACertificates = append(s.CACertificates, id)
		}
	}
	for _, name := range secrets {
		if secret, ok := t.secret(behind.Namespace, name); ok {
			trust("Secret", name, string(secret.Data["id"]), true)
		} else {
			trust("Secret", name, "", false)
		}
	}
	for _, name := range maps {
		if config, ok := object.Get[*core.ConfigMap](t.set, "ConfigMap", behind.Namespace, name); ok {
			trust("ConfigMap", name, config.Data["id"], true)
		} else {
			trust("ConfigMap", name, "", false)
		}
	}
}
