// Package controller makes the objects of a Kubernetes cluster a source of a group, and keeps it what they mean: it watches, translates,
// submits, leaves out what is broken, and says of each object how far it has come.
package controller

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/sources/kubernetes/endpoints"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
)

// The bounds of a debounce.
const (
	defaultDebounce    = 250 * time.Millisecond
	defaultDebounceMax = 2 * time.Second
	maxDebounce        = time.Minute
	maxWindow          = time.Hour
)

// What is a source.
const (
	SourcesByCluster   = "cluster"
	SourcesByNamespace = "namespace"
)

// Config is what the controller is told. Its zero value is not usable: AddFlags sets the defaults.
type Config struct {
	translate.Options
	flavor string

	Kubeconfig string // empty: $KUBECONFIG, then what a pod has, then ~/.kube/config
	Context    string // of the kubeconfig
	// Namespaces are those that are watched; empty is all. Objects without a namespace are always read.
	Namespaces []string
	// SecretSelector and ConfigMapSelector choose the Secrets and ConfigMaps that are watched, by labels; empty is all.
	SecretSelector, ConfigMapSelector string

	Registry, Translator, Distributor []string // addresses of the services' replicas
	TLS                               rpc.ClientTLS
	Group, Source                     string
	Sources                           string // SourcesByCluster or SourcesByNamespace; empty is the former
	AllowShrink                       bool

	// Debounce is how long nothing must have changed before the objects are translated, and DebounceMax how long that may be put off.
	Debounce, DebounceMax time.Duration

	// EndpointWindow is the least time between two submissions of which the second changes endpoints alone, and DrainEndpoints says that
	// endpoints that left are taken out of the gateways at once.
	EndpointWindow time.Duration
	DrainEndpoints bool

	// WriteStatus writes statuses and Events. PublishServices (namespace/name) and PublishAddresses say where clients reach the gateways.
	WriteStatus                       bool
	PublishServices, PublishAddresses []string

	LeaderElection          bool
	LeaderElectionNamespace string // empty: that of the pod
	LeaderElectionName      string
}

// AddFlags adds the flags of the controller.
func (c *Config) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&c.Group, "group", "default", "group whose gateways serve the cluster's objects")
	flags.StringVar(&c.Source, "source", "kubernetes", "source of the group that the objects are submitted as; another one for each cluster")
	flags.StringSliceVar(&c.Registry, "registry", []string{"127.0.0.1:7440"}, "addresses of the registry's replicas")
	flags.StringSliceVar(&c.Translator, "translator", []string{"127.0.0.1:7441"}, "addresses of the translator's replicas")
	flags.StringSliceVar(&c.Distributor, "distributor", []string{"127.0.0.1:7442"}, "addresses of the distributor's replicas")
	flags.StringVar(&c.Sources, "sources", SourcesByCluster, "what is a source: the cluster, or each namespace, named as --source, a dot and "+
		"the namespace, beside --source for what they share")
	c.TLS.AddFlags(flags)
	flags.StringVar(&c.Kubeconfig, "kubeconfig", "", "file that says how to reach the API server; empty is the pod's own account, or "+
		"kubectl's")
	flags.StringVar(&c.Context, "context", "", "context of the kubeconfig; empty is its current one")
	flags.StringSliceVar(&c.Namespaces, "watch-namespace", nil, "namespaces whose objects are read; empty is all")
	flags.StringVar(&c.SecretSelector, "secret-selector", "", "labels of the Secrets that are read; empty is all")
	flags.StringVar(&c.ConfigMapSelector, "configmap-selector", "", "labels of the ConfigMaps that are read; empty is all")
	flags.BoolVar(&c.AllowShrink, "allow-shrink", false, "let the configuration lose more than half of its entities; better is the "+
		"annotation "+AllowShrink+" of a Namespace or a class")
	flags.DurationVar(&c.Debounce, "debounce", defaultDebounce, "how long nothing has changed before objects are translated")
	flags.DurationVar(&c.DebounceMax, "debounce-max", defaultDebounceMax, "how long a translation is put off at most while objects change")
	flags.DurationVar(&c.EndpointWindow, "endpoint-window", endpoints.DefaultWindow, "least time between two revisions of which the second "+
		"changes endpoints alone: each costs each gateway a load")
	flags.BoolVar(&c.DrainEndpoints, "drain-endpoints", true, "take endpoints that left out of the gateways at once, before a revision does")
	flags.BoolVar(&c.WriteStatus, "write-status", true, "write statuses of objects, and Events")
	flags.StringSliceVar(&c.PublishServices, "publish-service", nil, "Services, as namespace/name, at whose addresses clients reach the "+
		"gateways")
	flags.StringSliceVar(&c.PublishAddresses, "publish-address", nil, "addresses or names at which clients reach the gateways")
	flags.BoolVar(&c.LeaderElection, "leader-election", true, "let one replica of several submit, by a Lease")
	flags.StringVar(&c.LeaderElectionNamespace, "leader-election-namespace", "", "namespace of the Lease; empty is that of the pod")
	flags.StringVar(&c.LeaderElectionName, "leader-election-name", "silverback-kubernetes", "name of the Lease: another one for each source")
	c.addTranslation(flags)
}

// addTranslation adds the flags of the translation, which render has too.
func (c *Config) addTranslation(flags *pflag.FlagSet) {
	o := &c.Options
	o.Attach = true
	flags.StringVar(&c.flavor, "router-flavor", "traditional_compatible", "router flavor of the gateways: traditional_compatible or "+
		"expressions")
	flags.StringVar(&o.IngressClass, "ingress-class", "kong", "class of the objects that are translated")
	flags.StringVar(&o.GatewayController, "gateway-controller", "konghq.com/kic-gateway-controller",
		"controller name of our GatewayClasses")
	flags.BoolVar(&o.RedirectPlugin, "redirect-plugin", true, "redirect with the plugin redirect, which Kong has since 3.9")
	flags.BoolVar(&o.ServiceFacade, "service-facade", false, "allow backends of kind KongServiceFacade")
	flags.BoolVar(&o.RewriteURIs, "rewrite-uris", false, "allow the annotation konghq.com/rewrite")
	flags.BoolVar(&o.CombinedServices, "combined-services", false, "make one service for rules of several HTTPRoutes with the same backends")
	flags.BoolVar(&o.DrainSupport, "drain", false, "keep terminating endpoints with a weight of 0")
	flags.BoolVar(&o.ServiceUpstream, "service-upstream", false, "make every Service a target itself, in place of its endpoints")
	flags.BoolVar(&o.RemovableTargets, "removable-targets", true, "give upstreams without health checks such that a target can be taken out "+
		"at the Admin API")
	flags.StringVar(&o.ClusterDomain, "cluster-domain", "", "end of the names of Services that are targets themselves, such as cluster.local")
	flags.StringVar(&o.Workspace, "workspace", "", "workspace that is a part of derived ids")
}

// Check reports what is wrong with the settings, and completes them.
func (c *Config) Check() error {
	var problems []error
	switch c.flavor {
	case "traditional_compatible":
	case "expressions":
		c.Expressions = true
	default:
		problems = append(problems, fmt.Errorf("--router-flavor is %q, want traditional_compatible or expressions", c.flavor))
	}
	if c.Group == "" || c.Source == "" {
		problems = append(problems, errors.New("--group and --source must not be empty"))
	}
	if c.Sources != "" && c.Sources != SourcesByCluster && c.Sources != SourcesByNamespace {
		problems = append(problems, fmt.Errorf("--sources is %q, want %s or %s", c.Sources, SourcesByCluster, SourcesByNamespace))
	}
	if c.Debounce <= 0 || c.Debounce > maxDebounce || c.DebounceMax < c.Debounce || c.DebounceMax > maxDebounce {
		problems = append(problems, fmt.Errorf("--debounce %s and --debounce-max %s: want 0 < debounce <= debounce-max <= %s", c.Debounce,
			c.DebounceMax, maxDebounce))
	}
	if _, err := c.publishRefs(); err != nil {
		problems = append(problems, err)
	}
	if c.EndpointWindow < 0 || c.EndpointWindow > maxWindow {
		problems = append(problems, fmt.Errorf("--endpoint-window %s: want at most %s", c.EndpointWindow, maxWindow))
	}
	for flag, selector := range map[string]string{"secret-selector": c.SecretSelector, "configmap-selector": c.ConfigMapSelector} {
		if _, err := labels.Parse(selector); err != nil {
			problems = append(problems, fmt.Errorf("--%s: %w", flag, err))
		}
	}
	if c.LeaderElection && c.LeaderElectionName == "" {
		problems = append(problems, errors.New("--leader-election-name must not be empty"))
	}
	for name, addresses := range map[string][]string{"registry": c.Registry, "translator": c.Translator, "distributor": c.Distributor} {
		problems = append(problems, (&rpc.ClientConfig{Addresses: addresses, TLS: c.TLS}).Check(name))
	}
	return errors.Join(append(problems, c.TLS.Check())...)
}

// publishRefs are the Services that publish the gateways.
func (c *Config) publishRefs() ([]object.Ref, error) {
	var refs []object.Ref
	for _, service := range c.PublishServices {
		namespace, name, ok := strings.Cut(service, "/")
		if !ok || namespace == "" || name == "" {
			return nil, fmt.Errorf("--publish-service %q: want namespace/name", service)
		}
		refs = append(refs, object.Ref{Kind: "Service", Namespace: namespace, Name: name})
	}
	return refs, nil
}

// services are the addresses for the client.
func (c *Config) services() client.Config {
	return client.Config{Registry: c.Registry, Translator: c.Translator, Distributor: c.Distributor, TLS: client.TLS(c.TLS)}
}
