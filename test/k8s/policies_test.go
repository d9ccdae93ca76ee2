package k8s_test

import (
	"slices"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// calls are who must reach whom, by short names and the port's name; nothing else in the namespace may.
var calls = map[[3]string]bool{
	{"translator", "registry", "grpc"}:    true,
	{"distributor", "registry", "grpc"}:   true,
	{"gateway", "registry", "grpc"}:       true,
	{"distributor", "translator", "grpc"}: true,
	{"gateway", "distributor", "grpc"}:    true,
	{"registry", "etcd", "client"}:        true,
	{"translator", "etcd", "client"}:      true,
	{"distributor", "etcd", "client"}:     true,
	{"etcd", "etcd", "client"}:            true,
	{"etcd", "etcd", "peer"}:              true,
	{"gateway", "echo", "http"}:           true,
	{"client", "registry", "grpc"}:        true,
	{"client", "translator", "grpc"}:      true,
	{"client", "distributor", "grpc"}:     true,

	// Sources in the cluster are clients. The webhook needs the translator only, but there is one label for clients.
	{"kubernetes", "registry", "grpc"}:            true,
	{"kubernetes", "translator", "grpc"}:          true,
	{"kubernetes", "distributor", "grpc"}:         true,
	{"kubernetes-webhook", "registry", "grpc"}:    true,
	{"kubernetes-webhook", "translator", "grpc"}:  true,
	{"kubernetes-webhook", "distributor", "grpc"}: true,
}

// client stands for the Pods that run the command line, which no overlay has.
var client = workload{
	name: "silverback-client",
	pod:  core.PodTemplateSpec{ObjectMeta: meta.ObjectMeta{Labels: map[string]string{"silverback-gateway/client": "true"}}},
}

func policiesCoverPods(f *fleet, wrong func(string, ...any)) {
	deniesAll := false
	for _, p := range f.policies {
		if len(p.Spec.PodSelector.MatchLabels)+len(p.Spec.PodSelector.MatchExpressions) == 0 {
			deniesAll = len(p.Spec.Ingress)+len(p.Spec.Egress) == 0 && len(p.Spec.PolicyTypes) == 2
			continue
		}
		if p.Name == client.name {
			peersExist(f, p, wrong)
			continue
		}
		if found := f.selected(&p.Spec.PodSelector); len(found) != 1 || found[0].name != p.Name || len(p.Spec.PolicyTypes) != 2 {
			wrong("NetworkPolicy %s: want the Pods of its name, and both directions", p.Name)
		}
		peersExist(f, p, wrong)
	}
	if !deniesAll {
		wrong("no NetworkPolicy denies what no other allows")
	}
	for _, w := range f.workloads {
		if !slices.ContainsFunc(f.policies, func(p *networking.NetworkPolicy) bool { return p.Name == w.name }) {
			wrong("%s has no NetworkPolicy", w.name)
		}
	}
	for _, from := range append([]workload{client}, f.workloads...) {
		if from.tier() != "lab" && !leaves(f, from, workload{}, 53) {
			wrong("%s may not ask for addresses", from.name)
		}
		for _, to := range f.workloads {
			for _, c := range to.containers() {
				for _, port := range c.Ports {
					// A gateway is for everybody, and no selector finds an API server.
					if to.tier() == "gateway" && port.Name != "http" || port.Name == "webhook" {
						continue
					}
					want := calls[[3]string{from.short(), to.short(), port.Name}]
					if got := leaves(f, from, to, port.ContainerPort) && enters(f, from, to, port.Name); got != want {
						wrong("%s may reach port %s of %s: %v, want %v", from.name, port.Name, to.name, got, want)
					}
				}
			}
		}
	}
	// Prometheus, in its own namespace, asks whoever has metrics.
	for _, w := range f.workloads {
		if w.tier() != "lab" && !scraped(f, w) {
			wrong("%s: Prometheus may not ask it", w.name)
		}
	}
}

func peersExist(f *fleet, p *networking.NetworkPolicy, wrong func(string, ...any)) {
	check := func(peers []networking.NetworkPolicyPeer) {
		for _, peer := range peers {
			if peer.PodSelector == nil || peer.PodSelector.MatchLabels["silverback-gateway/client"] != "" {
				continue
			}
			if len(f.selected(peer.PodSelector)) != 1 {
				wrong("NetworkPolicy %s: a selector of a peer takes no workload, or several: %v", p.Name, peer.PodSelector.MatchLabels)
			}
		}
	}
	for _, r := range p.Spec.Ingress {
		check(r.From)
		for _, port := range r.Ports {
			for _, w := range f.selected(&p.Spec.PodSelector) {
				if _, ok := w.port(port.Port.StrVal); !ok {
					wrong("NetworkPolicy %s: %s has no port %s", p.Name, w.name, port.Port.String())
				}
			}
		}
	}
	for _, r := range p.Spec.Egress {
		check(r.To)
	}
}

func picks(peers []networking.NetworkPolicyPeer, w workload) bool {
	return len(peers) == 0 || slices.ContainsFunc(peers, func(p networking.NetworkPolicyPeer) bool {
		if p.PodSelector == nil || p.NamespaceSelector != nil {
			return false
		}
		s, err := meta.LabelSelectorAsSelector(p.PodSelector)
		return err == nil && s.Matches(labels.Set(w.pod.Labels))
	})
}

func hasPort(ports []networking.NetworkPolicyPort, want intstr.IntOrString) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(p networking.NetworkPolicyPort) bool { return p.Port != nil && *p.Port == want })
}

// leaves says whether a policy lets a workload's Pods out to a port; those that select the same Pods add up.
func leaves(f *fleet, from, to workload, port int32) bool {
	for _, p := range f.policies {
		for _, r := range p.Spec.Egress {
			if picks([]networking.NetworkPolicyPeer{{PodSelector: &p.Spec.PodSelector}}, from) && picks(r.To, to) &&
				hasPort(r.Ports, intstr.FromInt32(port)) {
				return true
			}
		}
	}
	return false
}

func enters(f *fleet, from, to workload, port string) bool {
	for _, p := range f.policies {
		for _, r := range p.Spec.Ingress {
			if p.Name == to.name && picks(r.From, from) && hasPort(r.Ports, intstr.FromString(port)) {
				return true
			}
		}
	}
	return false
}

func scraped(f *fleet, w workload) bool {
	for _, p := range f.policies {
		for _, r := range p.Spec.Ingress {
			for _, peer := range r.From {
				if p.Name == w.name && peer.NamespaceSelector != nil &&
					peer.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] == "monitoring" &&
					hasPort(r.Ports, intstr.FromString("http")) {
					return true
				}
			}
		}
	}
	return false
}
