package k8s_test

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/silverback-gateway/silverback/kit/identity"
)

// A rule says what is wrong with a fleet.
type rule func(f *fleet, wrong func(format string, args ...any))

var rules = []rule{
	selectorsMeetPods, portsExist, probesAskContainers, volumesAreThere, accountsHaveNoRights, containersArePoor, imagesAreExact,
	resourcesAreNamed,
	budgetsHoldOne, policiesCoverPods, scalersHaveTargets, stopsHaveTime, spreadsAreOfThePod, certificatesAreIssued, monitorsFindPorts,
	nodesAreNamed,
	variablesAreKnown, podsAreRestricted, defaultsAreWritten,
}

// judge returns what is wrong with a built overlay; an error when it cannot be read.
func judge(text string) (problems []string, err error) {
	objects, err := decode(text)
	if err != nil {
		return nil, err
	}
	f, err := newFleet(objects)
	if err != nil {
		return nil, err
	}
	for _, r := range rules {
		r(f, func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) })
	}
	return problems, nil
}

func TestOverlaysKeepTheRules(t *testing.T) {
	for _, overlay := range overlays {
		t.Run(overlay, func(t *testing.T) {
			problems, err := judge(build(t, overlay))
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range problems {
				t.Error(p)
			}
		})
	}
}

func TestEveryServiceHasAWorkload(t *testing.T) {
	for overlay, replicas := range map[string]map[string]int32{
		"overlays/lab":           {"registry": 1, "translator": 1, "distributor": 1, "gateway": 0, "etcd": 1, "echo": 1},
		"overlays/production":    {"registry": 2, "translator": 2, "distributor": 3, "gateway": 0, "etcd": 3},
		"overlays/existing-etcd": {"registry": 2, "translator": 2, "distributor": 3, "gateway": 0},
	} {
		f := mustFleet(t, overlay)
		if len(f.workloads) != len(replicas) {
			t.Errorf("%s has %d workloads, want %d", overlay, len(f.workloads), len(replicas))
		}
		for short, want := range replicas {
			w, ok := f.workload(short)
			var got int32 // an HPA sets what is not there
			if w.replicas != nil {
				got = *w.replicas
			}
			if !ok || got != want {
				t.Errorf("%s: %s exists: %v, replicas %d, want %d", overlay, short, ok, got, want)
			}
		}
	}
}

func mustFleet(tb testing.TB, overlay string) *fleet {
	tb.Helper()
	objects, err := decode(build(tb, overlay))
	if err != nil {
		tb.Fatal(err)
	}
	f, err := newFleet(objects)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func selectorsMeetPods(f *fleet, wrong func(string, ...any)) {
	for _, w := range f.workloads {
		if own := f.selected(w.selector); len(own) != 1 || own[0].name != w.name {
			wrong("%s: its selector takes the Pods of %d workloads, want its own", w.name, len(own))
		}
		if w.tier() == "" {
			wrong("%s: its Pods have no label %s", w.name, tierLabel)
		}
		if w.service != "" && f.services[w.service] == nil {
			wrong("%s: serviceName %s is no Service", w.name, w.service)
		}
	}
	for _, s := range f.services {
		if found := f.selected(&meta.LabelSelector{MatchLabels: s.Spec.Selector}); len(found) != 1 {
			wrong("Service %s selects %d workloads, want 1", s.Name, len(found))
		}
	}
}

func portsExist(f *fleet, wrong func(string, ...any)) {
	for _, s := range f.services {
		for _, w := range f.selected(&meta.LabelSelector{MatchLabels: s.Spec.Selector}) {
			for _, p := range s.Spec.Ports {
				target, ok := w.port(p.TargetPort.StrVal)
				if !ok {
					wrong("Service %s: %s has no port named %q", s.Name, w.name, p.TargetPort.StrVal)
				}
				if s.Spec.ClusterIP == core.ClusterIPNone && target != p.Port {
					wrong("Service %s: port %d is %d at the Pod, and a headless Service translates nothing", s.Name, p.Port, target)
				}
			}
		}
	}
	for _, w := range f.workloads {
		taken := map[int32]string{}
		for _, c := range w.containers() {
			for _, p := range c.Ports {
				if other, ok := taken[p.ContainerPort]; ok {
					wrong("%s: %s and %s both have port %d", w.name, other, c.Name, p.ContainerPort)
				}
				taken[p.ContainerPort] = c.Name
			}
		}
	}
}

func probesAskContainers(f *fleet, wrong func(string, ...any)) {
	for _, w := range f.workloads {
		ready := 0
		for _, c := range w.containers() {
			if !lasting(w, c) {
				continue
			}
			for name, probe := range map[string]*core.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
				if probe == nil {
					if name != "readiness" {
						wrong("%s/%s has no %s probe", w.name, c.Name, name)
					}
					continue
				}
				if name == "readiness" {
					ready++
				}
				var port intstr.IntOrString
				switch {
				case probe.HTTPGet != nil:
					port = probe.HTTPGet.Port
				case probe.TCPSocket != nil:
					port = probe.TCPSocket.Port
				default:
					wrong("%s/%s: the %s probe asks nothing", w.name, c.Name, name)
					continue
				}
				if !slices.ContainsFunc(c.Ports, func(p core.ContainerPort) bool { return p.Name == port.StrVal }) {
					wrong("%s/%s: the %s probe asks port %q, which the container has not", w.name, c.Name, name, port.String())
				}
				if path := map[string]string{"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}[name]; probe.HTTPGet != nil &&
					probe.HTTPGet.Path != path && w.tier() != "etcd" {
					wrong("%s/%s: the %s probe asks %s, want %s", w.name, c.Name, name, probe.HTTPGet.Path, path)
				}
			}
		}
		if ready != 1 {
			wrong("%s: %d containers say whether the Pod is ready, want 1", w.name, ready)
		}
	}
}

// etcdClientSecret is given by whoever has an etcd of their own.
const etcdClientSecret = "silverback-etcd-client-tls"

func (f *fleet) hasEtcd() bool {
	_, ok := f.workload("etcd")
	return ok
}

func volumesAreThere(f *fleet, wrong func(string, ...any)) {
	for _, w := range f.workloads {
		unused := map[string]core.Volume{}
		for _, v := range w.pod.Spec.Volumes {
			if _, ok := unused[v.Name]; ok {
				wrong("%s has volume %s twice", w.name, v.Name)
			}
			unused[v.Name] = v
			switch {
			case v.ConfigMap != nil && f.configs[v.ConfigMap.Name] == nil:
				wrong("%s: volume %s is of ConfigMap %s, which does not exist", w.name, v.Name, v.ConfigMap.Name)
			case v.Secret != nil && f.certificates[v.Secret.SecretName] == nil && !(v.Secret.SecretName == etcdClientSecret && !f.hasEtcd()):
				wrong("%s: volume %s is of Secret %s, which no Certificate makes", w.name, v.Name, v.Secret.SecretName)
			case v.Secret != nil && (v.Secret.DefaultMode == nil || *v.Secret.DefaultMode != 0o440):
				wrong("%s: volume %s holds a key and is not of mode 0440", w.name, v.Name)
			case v.EmptyDir != nil && v.EmptyDir.SizeLimit == nil:
				wrong("%s: volume %s may fill the disk", w.name, v.Name)
			case v.ConfigMap == nil && v.Secret == nil && v.EmptyDir == nil && v.CSI == nil:
				wrong("%s: volume %s is of a kind that is not meant to be here", w.name, v.Name)
			}
		}
		for _, c := range w.claims {
			unused[c.Name] = core.Volume{Name: c.Name}
		}
		volumes := map[string]core.Volume{}
		for name, v := range unused {
			volumes[name] = v
		}
		for _, c := range w.containers() {
			for i, m := range c.VolumeMounts {
				v, ok := volumes[m.Name]
				if !ok {
					wrong("%s/%s mounts %s, which is no volume of the Pod", w.name, c.Name, m.Name)
				}
				delete(unused, m.Name)
				if (v.ConfigMap != nil || v.Secret != nil || v.CSI != nil) && !m.ReadOnly {
					wrong("%s/%s may write to %s", w.name, c.Name, m.Name)
				}
				for j, other := range c.VolumeMounts {
					// A mount inside of one that is read-only finds no place.
					if i != j && strings.HasPrefix(m.MountPath+"/", other.MountPath+"/") {
						wrong("%s/%s mounts %s inside of %s", w.name, c.Name, m.MountPath, other.MountPath)
					}
				}
			}
			for _, a := range append(slices.Clone(c.Args), c.Command...) {
				if file, ok := strings.CutPrefix(a, "--config="); ok && !fileExists(f, volumes, c, file) {
					wrong("%s/%s: %s is no file that is mounted", w.name, c.Name, file)
				}
			}
			for _, e := range c.Env {
				if e.ValueFrom != nil && e.ValueFrom.FieldRef == nil {
					wrong("%s/%s: %s comes from elsewhere than the Pod", w.name, c.Name, e.Name)
				}
				if strings.HasSuffix(e.Name, "_FILE") && strings.HasPrefix(e.Value, "/etc/") && !fileExists(f, volumes, c, e.Value) {
					wrong("%s/%s: %s names %s, which is not mounted", w.name, c.Name, e.Name, e.Value)
				}
			}
		}
		for name := range unused {
			wrong("%s: no container mounts %s", w.name, name)
		}
	}
}

// fileExists reports whether a path is a file of what a container mounts.
func fileExists(f *fleet, volumes map[string]core.Volume, c core.Container, path string) bool {
	for _, m := range c.VolumeMounts {
		name, ok := strings.CutPrefix(path, m.MountPath+"/")
		if !ok {
			continue
		}
		switch v := volumes[m.Name]; {
		case v.ConfigMap != nil && f.configs[v.ConfigMap.Name] != nil:
			_, ok := f.configs[v.ConfigMap.Name].Data[name]
			return ok
		case v.Secret != nil, v.CSI != nil:
			return slices.Contains([]string{"ca.crt", "tls.crt", "tls.key"}, name)
		case v.EmptyDir != nil:
			return true
		}
	}
	return false
}

func accountsHaveNoRights(f *fleet, wrong func(string, ...any)) {
	no := func(b *bool) bool { return b != nil && !*b }
	for _, w := range f.workloads {
		account := f.accounts[w.pod.Spec.ServiceAccountName]
		switch {
		case account == nil:
			wrong("%s: ServiceAccount %q does not exist", w.name, w.pod.Spec.ServiceAccountName)
		case account.Name != w.name:
			wrong("%s uses the ServiceAccount of %s", w.name, account.Name)
		case !no(account.AutomountServiceAccountToken) || no(w.pod.Spec.AutomountServiceAccountToken) == (w.tier() == "source"):
			wrong("%s: only what reads the cluster has a token of the API server mounted", w.name)
		}
		if rights := f.rights(w); (len(rights) > 0) != (w.tier() == "source") {
			wrong("%s has %d rights at the API server", w.name, len(rights))
		}
		if !no(w.pod.Spec.EnableServiceLinks) {
			wrong("%s: variables named after Services would be taken for settings; say enableServiceLinks: false", w.name)
		}
		if w.tier() != "lab" && f.priorities[w.pod.Spec.PriorityClassName] == nil {
			wrong("%s: PriorityClass %q does not exist", w.name, w.pod.Spec.PriorityClassName)
		}
	}
}

func containersArePoor(f *fleet, wrong func(string, ...any)) {
	yes := func(b *bool) bool { return b != nil && *b }
	for _, w := range f.workloads {
		p := w.pod.Spec
		if s := p.SecurityContext; s == nil || !yes(s.RunAsNonRoot) || s.RunAsUser == nil || *s.RunAsUser != 65532 || s.SeccompProfile == nil ||
			s.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
			wrong("%s: the Pod wants runAsNonRoot, user 65532 and the runtime's seccomp profile", w.name)
		}
		if p.HostNetwork || p.HostPID || p.HostIPC {
			wrong("%s shares something with its host", w.name)
		}
		for _, c := range w.containers() {
			s := c.SecurityContext
			if s == nil {
				wrong("%s/%s has no securityContext", w.name, c.Name)
				continue
			}
			if s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || yes(s.Privileged) {
				wrong("%s/%s may gain privileges", w.name, c.Name)
			}
			if !yes(s.ReadOnlyRootFilesystem) {
				wrong("%s/%s may write to its image", w.name, c.Name)
			}
			if s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
				wrong("%s/%s keeps capabilities", w.name, c.Name)
			}
			if s.RunAsUser != nil && *s.RunAsUser == 0 {
				wrong("%s/%s runs as root", w.name, c.Name)
			}
		}
	}
}

var exactImage = regexp.MustCompile(`^[a-z0-9./-]+:v?\d+\.\d+\.\d+$`)

func imagesAreExact(f *fleet, wrong func(string, ...any)) {
	for _, w := range f.workloads {
		for _, c := range w.containers() {
			// What a lab runs was made on its machine.
			made := strings.HasPrefix(c.Image, "silverback-gateway/") && strings.HasSuffix(c.Image, ":dev") && f.namespace == "silverback-lab"
			if !made && !exactImage.MatchString(c.Image) {
				wrong("%s/%s: image %q has no exact version", w.name, c.Name, c.Image)
			}
			if c.ImagePullPolicy != core.PullIfNotPresent {
				wrong("%s/%s: a version never changes, so the image need not be pulled again", w.name, c.Name)
			}
		}
	}
}

func resourcesAreNamed(f *fleet, wrong func(string, ...any)) {
	for _, w := range f.workloads {
		for _, c := range w.containers() {
			if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
				wrong("%s/%s: wants requests of cpu and memory, and a limit of memory", w.name, c.Name)
			}
			told := false
			for _, e := range c.Env {
				if e.Name != "GOMEMLIMIT" {
					continue
				}
				told = true
				soft, err := resource.ParseQuantity(strings.TrimSuffix(e.Value, "B"))
				if err != nil || soft.Cmp(*c.Resources.Limits.Memory()) >= 0 {
					wrong("%s/%s: GOMEMLIMIT %s is not below the limit", w.name, c.Name, e.Value)
				}
			}
			if service := slices.Contains([]string{"registry", "translator", "distributor"}, c.Name); service && !told {
				wrong("%s/%s: wants GOMEMLIMIT, a tenth below its limit", w.name, c.Name)
			}
		}
	}
}

func budgetsHoldOne(f *fleet, wrong func(string, ...any)) {
	budgets := map[string]int{}
	for _, b := range f.budgets {
		found := f.selected(b.Spec.Selector)
		if len(found) != 1 || b.Spec.MaxUnavailable == nil || b.Spec.MaxUnavailable.IntVal != 1 {
			wrong("PodDisruptionBudget %s: want one workload and maxUnavailable 1", b.Name)
		}
		for _, w := range found {
			budgets[w.name]++
		}
	}
	for _, w := range f.workloads {
		if w.tier() != "lab" && budgets[w.name] != 1 {
			wrong("%s has %d PodDisruptionBudgets, want 1", w.name, budgets[w.name])
		}
	}
}

func scalersHaveTargets(f *fleet, wrong func(string, ...any)) {
	for _, s := range f.scalers {
		i := slices.IndexFunc(f.workloads, func(w workload) bool { return w.name == s.Spec.ScaleTargetRef.Name })
		if i < 0 {
			wrong("HorizontalPodAutoscaler %s: no workload %s", s.Name, s.Spec.ScaleTargetRef.Name)
			continue
		}
		w := f.workloads[i]
		if w.replicas != nil {
			wrong("%s: replicas are set beside a HorizontalPodAutoscaler, so every apply would fight it", w.name)
		}
		for _, m := range s.Spec.Metrics {
			if m.Pods != nil && len(s.Spec.Metrics) > 1 {
				continue // of an adapter that may be away: there is another one beside it
			}
			if r := m.ContainerResource; r == nil || !slices.ContainsFunc(w.containers(),
				func(c core.Container) bool { return c.Name == r.Container }) {
				wrong("HorizontalPodAutoscaler %s: %s has no such container", s.Name, w.name)
			}
		}
	}
	if len(f.scalers) != 1 {
		wrong("%d HorizontalPodAutoscalers, want 1", len(f.scalers))
	}
}

// What a stop takes after preStop, in seconds: ten for calls and three for HTTP, and a little; Kong's requests under way.
const (
	serviceStop = 15
	kongStop    = 60 + 10
)

var sleeps = regexp.MustCompile(`(?m)^\s*sleep (\d+)$`)

func stopsHaveTime(f *fleet, wrong func(string, ...any)) {
	for _, w := range f.workloads {
		before, after := int64(0), int64(serviceStop)
		for _, c := range w.containers() {
			if c.Lifecycle == nil || c.Lifecycle.PreStop == nil {
				continue
			}
			switch hook := c.Lifecycle.PreStop; {
			case hook.Sleep != nil:
				before = hook.Sleep.Seconds
			case hook.Exec != nil:
				after = kongStop
				if m := sleeps.FindStringSubmatch(hook.Exec.Command[len(hook.Exec.Command)-1]); m != nil {
					fmt.Sscan(m[1], &before) //nolint:errcheck // the pattern matched digits
				}
			}
		}
		if before == 0 && w.tier() != "etcd" {
			wrong("%s stops before anybody knows", w.name)
		}
		if grace := w.pod.Spec.TerminationGracePeriodSeconds; grace == nil || *grace < before+after {
			wrong("%s: %d seconds of preStop and %d of stopping do not fit into terminationGracePeriodSeconds", w.name, before, after)
		}
	}
}

func spreadsAreOfThePod(f *fleet, wrong func(string, ...any)) {
	for _, w := range f.workloads {
		own := func(what string, s *meta.LabelSelector) {
			if found := f.selected(s); len(found) != 1 || found[0].name != w.name {
				wrong("%s: %s is about other Pods", w.name, what)
			}
		}
		keys := map[string]bool{}
		for _, s := range w.pod.Spec.TopologySpreadConstraints {
			keys[s.TopologyKey] = true
			own("a topology spread constraint", s.LabelSelector)
		}
		if w.tier() != "lab" && (!keys["topology.kubernetes.io/zone"] || !keys["kubernetes.io/hostname"]) {
			wrong("%s is spread over neither zones nor machines", w.name)
		}
		required, preferred := 0, 0
		if a := w.pod.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
			for _, term := range a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
				required++
				own("an anti-affinity", term.LabelSelector)
			}
			for _, term := range a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
				preferred++
				own("an anti-affinity", term.PodAffinityTerm.LabelSelector)
			}
		}
		if f.namespace == "silverback" && required+preferred == 0 {
			wrong("%s: its Pods may share a machine", w.name)
		}
	}
}

// csiAttributes are those that cert-manager's CSI driver knows and that make sense here. Its module cannot be had, and it does
// not say so when one is misspelt.
var csiAttributes = []string{
	"issuer-name", "issuer-kind", "issuer-group", "uri-sans", "key-usages", "duration", "renew-before", "fs-group",
}

func certificatesAreIssued(f *fleet, wrong func(string, ...any)) {
	for secret, c := range f.certificates {
		if f.issuers[c.Spec.IssuerRef.Name] == nil || c.Spec.IssuerRef.Kind != "Issuer" {
			wrong("Certificate %s: no Issuer %s", c.Name, c.Spec.IssuerRef.Name)
		}
		if c.Spec.Duration == nil || c.Spec.RenewBefore == nil || c.Spec.RenewBefore.Duration*2 > c.Spec.Duration.Duration {
			wrong("Certificate %s: wants a duration, and renewal in its second half", c.Name)
		}
		if strings.HasPrefix(secret, "silverback-etcd") != strings.HasPrefix(c.Spec.IssuerRef.Name, "silverback-etcd") && !c.Spec.IsCA {
			wrong("Certificate %s: etcd and Silverback have authorities of their own", c.Name)
		}
	}
	for _, i := range f.issuers {
		if i.Spec.CA != nil && (f.certificates[i.Spec.CA.SecretName] == nil || !f.certificates[i.Spec.CA.SecretName].Spec.IsCA) {
			wrong("Issuer %s: no authority makes %s", i.Name, i.Spec.CA.SecretName)
		}
	}
	for _, w := range f.workloads {
		for _, v := range w.pod.Spec.Volumes {
			switch {
			case v.Secret != nil && w.tier() == "control-plane" && v.Name == "tls":
				c := f.certificates[v.Secret.SecretName]
				if c == nil {
					continue // said elsewhere
				}
				want := identity.Identity{Kind: identity.Service, Name: w.short()}
				if len(c.Spec.URIs) != 1 || !isIdentity(c.Spec.URIs[0], want) {
					wrong("%s: certificate %s is of %v, want %s", w.name, c.Name, c.Spec.URIs, want.URI(identity.DefaultTrustDomain))
				}
				for _, name := range []string{w.name, w.name + "-replicas"} {
					if !slices.Contains(c.Spec.DNSNames, name) || f.services[name] == nil {
						wrong("%s: certificate %s and a Service are not both named %s", w.name, c.Name, name)
					}
				}
				for _, u := range []certmanager.KeyUsage{certmanager.UsageServerAuth, certmanager.UsageClientAuth} {
					if !slices.Contains(c.Spec.Usages, u) {
						wrong("%s: certificate %s is not for %s", w.name, c.Name, u)
					}
				}
			case v.CSI != nil:
				group := w.pod.Labels["silverback-gateway/group"]
				attributes := map[string]string{}
				for name, value := range v.CSI.VolumeAttributes {
					short, ok := strings.CutPrefix(name, "csi.cert-manager.io/")
					if !ok || !slices.Contains(csiAttributes, short) {
						wrong("%s: the CSI driver does not know %s", w.name, name)
					}
					attributes[short] = value
				}
				if v.CSI.Driver != "csi.cert-manager.io" || f.issuers[attributes["issuer-name"]] == nil {
					wrong("%s: no issuer %q for the CSI driver", w.name, attributes["issuer-name"])
				}
				uri := strings.ReplaceAll(attributes["uri-sans"], "${POD_NAME}", "silverback-gateway-6d5f7c9b8-x2k4q")
				if !isIdentity(uri, identity.Identity{Kind: identity.Node, Group: group, Name: "silverback-gateway-6d5f7c9b8-x2k4q"}) {
					wrong("%s: %s is not the identity of a node of group %s", w.name, attributes["uri-sans"], group)
				}
				if strings.Contains(attributes["key-usages"], "server auth") || !strings.Contains(attributes["key-usages"], "client auth") {
					wrong("%s: a node's certificate is for clients only", w.name)
				}
				if attributes["fs-group"] != fmt.Sprint(*w.pod.Spec.SecurityContext.FSGroup) {
					wrong("%s: the CSI driver's files are not of the Pod's group", w.name)
				}
			}
		}
	}
	// Each member by the name that others know it by.
	if c := f.certificates["silverback-etcd-member-tls"]; c != nil {
		if w, _ := f.workload("etcd"); w.replicas != nil {
			for i := range *w.replicas {
				if name := fmt.Sprintf("%s-%d.%s", w.name, i, w.service); !slices.Contains(c.Spec.DNSNames, name) {
					wrong("Certificate %s lacks %s", c.Name, name)
				}
			}
		}
	}
}

func isIdentity(text string, want identity.Identity) bool {
	uri, err := url.Parse(text)
	if err != nil {
		return false
	}
	got, err := identity.Parse(identity.DefaultTrustDomain, uri)
	return err == nil && got == want
}

func isUser(text string) bool {
	uri, err := url.Parse(text)
	if err != nil {
		return false
	}
	who, err := identity.Parse(identity.DefaultTrustDomain, uri)
	return err == nil && who.Kind == identity.User
}

func monitorsFindPorts(f *fleet, wrong func(string, ...any)) {
	for _, m := range f.monitors {
		selector, err := meta.LabelSelectorAsSelector(&m.Spec.Selector)
		if err != nil {
			wrong("ServiceMonitor %s: %v", m.Name, err)
			continue
		}
		found := map[string]bool{}
		for _, s := range f.services {
			if !selector.Matches(labels.Set(s.Labels)) {
				continue
			}
			found[s.Labels[m.Spec.JobLabel]] = true
			for _, e := range m.Spec.Endpoints {
				if !slices.ContainsFunc(s.Spec.Ports, func(p core.ServicePort) bool { return p.Name == e.Port }) {
					wrong("ServiceMonitor %s: Service %s has no port %s", m.Name, s.Name, e.Port)
				}
			}
		}
		for _, job := range []string{"silverback-registry", "silverback-translator", "silverback-distributor", "silverback-etcd"} {
			if !found[job] && (job != "silverback-etcd" || f.hasEtcd()) {
				wrong("ServiceMonitor %s: there is no job %s", m.Name, job)
			}
		}
	}
	for _, m := range f.podMonitors {
		for _, w := range f.selected(&m.Spec.Selector) {
			for _, e := range m.Spec.PodMetricsEndpoints {
				if e.Port == nil {
					wrong("PodMonitor %s has an endpoint without a port", m.Name)
				} else if _, ok := w.port(*e.Port); !ok {
					wrong("PodMonitor %s: %s has no port %s", m.Name, w.name, *e.Port)
				}
			}
		}
		if found := f.selected(&m.Spec.Selector); len(found) != 1 || found[0].short() != "gateway" {
			wrong("PodMonitor %s is not about the gateways", m.Name)
		}
	}
	if f.namespace == "silverback" && (len(f.monitors) != 1 || len(f.podMonitors) != 1 || len(f.rules) != 1) {
		wrong("%d ServiceMonitors, %d PodMonitors, %d PrometheusRules, want one each", len(f.monitors), len(f.podMonitors), len(f.rules))
	}
}

func nodesAreNamed(f *fleet, wrong func(string, ...any)) {
	w, ok := f.workload("gateway")
	if !ok {
		wrong("there is no gateway")
		return
	}
	i := slices.IndexFunc(w.pod.Spec.InitContainers, func(c core.Container) bool { return c.Name == "agent" })
	if i < 0 || !lasting(w, w.pod.Spec.InitContainers[i]) {
		wrong("%s: the agent is no sidecar", w.name)
		return
	}
	for name, path := range map[string]string{"SILVERBACK_NODE": "metadata.name",
		"SILVERBACK_GROUP": "metadata.labels['silverback-gateway/group']"} {
		if !slices.ContainsFunc(w.pod.Spec.InitContainers[i].Env, func(e core.EnvVar) bool {
			return e.Name == name && e.ValueFrom != nil && e.ValueFrom.FieldRef != nil && e.ValueFrom.FieldRef.FieldPath == path
		}) {
			wrong("%s: %s is not %s of the Pod", w.name, name, path)
		}
	}
	if first := w.pod.Spec.InitContainers[0].Name; first != "boot-file" {
		wrong("%s: %s starts before the boot file is there", w.name, first)
	}
	// Kong's boot file is the one that the agent writes, and it may not write it itself.
	boot := map[string]core.VolumeMount{}
	for _, c := range w.containers() {
		for _, m := range c.VolumeMounts {
			if m.MountPath == "/var/lib/silverback" {
				boot[c.Name] = m
			}
		}
	}
	if boot["agent"].Name == "" || boot["agent"].Name != boot["kong"].Name || boot["agent"].Name != boot["boot-file"].Name ||
		!boot["kong"].ReadOnly {
		wrong("%s: the boot file is not shared by those who write it with Kong, who reads it", w.name)
	}
}

var reference = regexp.MustCompile(`\$\(([A-Za-z_][A-Za-z0-9_]*)\)`)

// variablesAreKnown holds references to variables that stand before them; others would be left as they are written.
func variablesAreKnown(f *fleet, wrong func(string, ...any)) {
	for _, w := range f.workloads {
		for _, c := range w.containers() {
			known := map[string]bool{}
			for _, e := range c.Env {
				for _, m := range reference.FindAllStringSubmatch(e.Value, -1) {
					if !known[m[1]] {
						wrong("%s/%s: %s speaks of %s, which is not known yet", w.name, c.Name, e.Name, m[1])
					}
				}
				if known[e.Name] {
					wrong("%s/%s: %s is set twice", w.name, c.Name, e.Name)
				}
				known[e.Name] = true
			}
		}
	}
}

// defaultsAreWritten holds fields that a server fills in and that stay a difference when they are left to it: every apply would send them
// again.
func defaultsAreWritten(f *fleet, wrong func(string, ...any)) {
	for _, w := range f.workloads {
		if w.strategy.RollingUpdate != nil && w.strategy.Type == "" {
			wrong("%s: its strategy has no type", w.name)
		}
	}
	relabelings := func(name string, all []monitoring.RelabelConfig) {
		for _, r := range all {
			if r.Action == "" {
				wrong("%s: the relabeling to %s has no action", name, r.TargetLabel)
			}
		}
	}
	for _, m := range f.monitors {
		for _, e := range m.Spec.Endpoints {
			relabelings(m.Name, e.RelabelConfigs)
		}
	}
	for _, m := range f.podMonitors {
		for _, e := range m.Spec.PodMetricsEndpoints {
			relabelings(m.Name, e.RelabelConfigs)
		}
	}
}
