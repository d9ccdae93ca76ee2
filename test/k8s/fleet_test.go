package k8s_test

import (
	"bufio"
	"fmt"
	"slices"
	"strings"

	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	admission "k8s.io/api/admissionregistration/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	scheduling "k8s.io/api/scheduling/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

func yamlBuffer(text string) *bufio.Reader { return bufio.NewReader(strings.NewReader(text)) }

const (
	nameLabel = "app.kubernetes.io/name"
	tierLabel = "silverback-gateway/tier"
)

// workload is what Pods are made of, whatever makes them.
type workload struct {
	name     string
	labels   map[string]string
	selector *meta.LabelSelector
	replicas *int32
	pod      core.PodTemplateSpec
	claims   []core.PersistentVolumeClaim
	service  string // of a StatefulSet
	strategy apps.DeploymentStrategy
}

func (w workload) tier() string { return w.pod.Labels[tierLabel] }

// short is the name without the project's: registry.
func (w workload) short() string { return strings.TrimPrefix(w.name, "silverback-") }

// containers are all of them, in the order of their start.
func (w workload) containers() []core.Container {
	return append(append([]core.Container{}, w.pod.Spec.InitContainers...), w.pod.Spec.Containers...)
}

// lasting tells a container that runs as long as the Pod from one that prepares it.
func lasting(w workload, c core.Container) bool {
	for _, init := range w.pod.Spec.InitContainers {
		if init.Name == c.Name {
			return init.RestartPolicy != nil && *init.RestartPolicy == core.ContainerRestartPolicyAlways
		}
	}
	return true
}

// port finds a port of the Pod by its name.
func (w workload) port(name string) (int32, bool) {
	for _, c := range w.containers() {
		for _, p := range c.Ports {
			if p.Name == name {
				return p.ContainerPort, true
			}
		}
	}
	return 0, false
}

// fleet is an overlay, by kinds.
type fleet struct {
	namespace    string
	workloads    []workload
	services     map[string]*core.Service
	configs      map[string]*core.ConfigMap
	accounts     map[string]*core.ServiceAccount
	budgets      []*policy.PodDisruptionBudget
	policies     []*networking.NetworkPolicy
	scalers      []*autoscaling.HorizontalPodAutoscaler
	priorities   map[string]*scheduling.PriorityClass
	certificates map[string]*certmanager.Certificate // by the name of their Secret
	issuers      map[string]*certmanager.Issuer
	monitors     []*monitoring.ServiceMonitor
	podMonitors  []*monitoring.PodMonitor
	rules        []*monitoring.PrometheusRule
	roles        map[string][]rbac.PolicyRule // by name; those of a namespace after "Role/"
	bindings     []binding
	webhooks     []*admission.ValidatingWebhookConfiguration
}

// binding gives a role to accounts.
type binding struct {
	name, role string
	subjects   []rbac.Subject
}

// rights lists what the account of a workload may do: a line for each verb, group and resource.
func (f *fleet) rights(w workload) map[string]bool {
	all := map[string]bool{}
	for _, b := range f.bindings {
		if !slices.ContainsFunc(b.subjects, func(s rbac.Subject) bool {
			return s.Kind == rbac.ServiceAccountKind && s.Name == w.pod.Spec.ServiceAccountName && s.Namespace == f.namespace
		}) {
			continue
		}
		for _, r := range f.roles[b.role] {
			for _, group := range r.APIGroups {
				for _, resource := range r.Resources {
					for _, verb := range r.Verbs {
						all[verb+" "+group+"/"+resource] = true
					}
				}
			}
		}
	}
	return all
}

func newFleet(objects []runtime.Object) (*fleet, error) {
	f := &fleet{
		services: map[string]*core.Service{}, configs: map[string]*core.ConfigMap{}, accounts: map[string]*core.ServiceAccount{},
		priorities: map[string]*scheduling.PriorityClass{}, certificates: map[string]*certmanager.Certificate{},
		issuers: map[string]*certmanager.Issuer{}, roles: map[string][]rbac.PolicyRule{},
	}
	for _, object := range objects {
		switch o := object.(type) {
		case *core.Namespace:
			f.namespace = o.Name
		case *apps.Deployment:
			f.workloads = append(f.workloads, workload{
				name: o.Name, labels: o.Labels, selector: o.Spec.Selector, replicas: o.Spec.Replicas, pod: o.Spec.Template, strategy: o.Spec.Strategy,
			})
		case *apps.StatefulSet:
			f.workloads = append(f.workloads, workload{
				name: o.Name, labels: o.Labels, selector: o.Spec.Selector, replicas: o.Spec.Replicas, pod: o.Spec.Template,
				claims:  o.Spec.VolumeClaimTemplates,
				service: o.Spec.ServiceName,
			})
		case *core.Service:
			f.services[o.Name] = o
		case *core.ConfigMap:
			f.configs[o.Name] = o
		case *core.ServiceAccount:
			f.accounts[o.Name] = o
		case *policy.PodDisruptionBudget:
			f.budgets = append(f.budgets, o)
		case *networking.NetworkPolicy:
			f.policies = append(f.policies, o)
		case *autoscaling.HorizontalPodAutoscaler:
			f.scalers = append(f.scalers, o)
		case *scheduling.PriorityClass:
			f.priorities[o.Name] = o
		case *certmanager.Certificate:
			f.certificates[o.Spec.SecretName] = o
		case *certmanager.Issuer:
			f.issuers[o.Name] = o
		case *rbac.ClusterRole:
			f.roles[o.Name] = o.Rules
		case *rbac.Role:
			f.roles["Role/"+o.Name] = o.Rules
		case *rbac.ClusterRoleBinding:
			f.bindings = append(f.bindings, binding{o.Name, o.RoleRef.Name, o.Subjects})
		case *rbac.RoleBinding:
			f.bindings = append(f.bindings, binding{o.Name, strings.TrimPrefix(o.RoleRef.Kind+"/", "ClusterRole/") + o.RoleRef.Name, o.Subjects})
		case *admission.ValidatingWebhookConfiguration:
			f.webhooks = append(f.webhooks, o)
		case *monitoring.ServiceMonitor:
			f.monitors = append(f.monitors, o)
		case *monitoring.PodMonitor:
			f.podMonitors = append(f.podMonitors, o)
		case *monitoring.PrometheusRule:
			f.rules = append(f.rules, o)
		default:
			return nil, fmt.Errorf("%T: no rule looks at this kind", object)
		}
	}
	return f, nil
}

func (f *fleet) workload(short string) (workload, bool) {
	for _, w := range f.workloads {
		if w.short() == short {
			return w, true
		}
	}
	return workload{}, false
}

// selected returns the workloads whose Pods a selector takes.
func (f *fleet) selected(selector *meta.LabelSelector) (all []workload) {
	s, err := meta.LabelSelectorAsSelector(selector)
	if err != nil {
		return nil
	}
	for _, w := range f.workloads {
		if s.Matches(labels.Set(w.pod.Labels)) {
			all = append(all, w)
		}
	}
	return all
}
