// Package kongcrd has the custom resources of Kong Ingress Controller, as far as the translation reads them.
package kongcrd

import (
	"encoding/json"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
)

// The groups of these resources, and the kinds that objects of the translation name each other by.
const (
	Group          = "configuration.konghq.com"
	IncubatorGroup = "incubator.ingress-controller.konghq.com"

	KindPlugin                 = "KongPlugin"
	KindClusterPlugin          = "KongClusterPlugin"
	KindConsumer               = "KongConsumer"
	KindConsumerGroup          = "KongConsumerGroup"
	KindUpstreamPolicy         = "KongUpstreamPolicy"
	KindIngress                = "KongIngress"
	KindVault                  = "KongVault"
	KindCustomEntity           = "KongCustomEntity"
	KindLicense                = "KongLicense"
	KindServiceFacade          = "KongServiceFacade"
	KindIngressClassParameters = "IngressClassParameters"
	KindTCPIngress             = "TCPIngress"
	KindUDPIngress             = "UDPIngress"
)

// Plugin is a KongPlugin or a KongClusterPlugin: they differ only in that the second names the namespaces of its secrets.
type Plugin struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`

	PluginName    string          `json:"plugin"`
	InstanceName  string          `json:"instance_name"`
	Disabled      bool            `json:"disabled"`
	Protocols     []string        `json:"protocols"`
	Ordering      json.RawMessage `json:"ordering"`
	Config        json.RawMessage `json:"config"`
	ConfigFrom    *ConfigSource   `json:"configFrom"`
	ConfigPatches []ConfigPatch   `json:"configPatches"`

	Status Status `json:"status"`
}

// Status is what a controller says about an object.
type Status struct {
	Conditions []meta.Condition `json:"conditions,omitempty"`
}

// ConfigSource is a value in a Secret.
type ConfigSource struct {
	SecretKeyRef struct {
		Namespace string `json:"namespace"` // of a KongClusterPlugin only
		Name      string `json:"name"`
		Key       string `json:"key"`
	} `json:"secretKeyRef"`
}

// ConfigPatch puts a value of a Secret at a JSON pointer of the configuration.
type ConfigPatch struct {
	Path      string       `json:"path"`
	ValueFrom ConfigSource `json:"valueFrom"`
}

// Consumer is a KongConsumer.
type Consumer struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`

	Username       string   `json:"username"`
	CustomID       string   `json:"custom_id"`
	Credentials    []string `json:"credentials"`
	ConsumerGroups []string `json:"consumerGroups"`

	Status Status `json:"status"`
}

// ConsumerGroup is a KongConsumerGroup: its name is the object's.
type ConsumerGroup struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`

	Status Status `json:"status"`
}

// UpstreamPolicy is a KongUpstreamPolicy.
type UpstreamPolicy struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`

	Spec struct {
		Algorithm      *string       `json:"algorithm"`
		Slots          *int          `json:"slots"`
		HashOn         *Hash         `json:"hashOn"`
		HashOnFallback *Hash         `json:"hashOnFallback"`
		Healthchecks   *Healthchecks `json:"healthchecks"`
		StickySessions *struct {
			Cookie     string  `json:"cookie"`
			CookiePath *string `json:"cookiePath"`
		} `json:"stickySessions"`
	} `json:"spec"`

	Status PolicyStatus `json:"status"`
}

// PolicyStatus is what controllers say about a policy, for each object that it applies to.
type PolicyStatus struct {
	Ancestors []gateway.PolicyAncestorStatus `json:"ancestors"`
}

// Hash says what the load balancer hashes: one of its fields, and a path with a cookie.
type Hash struct {
	Input      *string `json:"input"`
	Header     *string `json:"header"`
	Cookie     *string `json:"cookie"`
	CookiePath *string `json:"cookiePath"`
	QueryArg   *string `json:"queryArg"`
	URICapture *string `json:"uriCapture"`
}

// Healthchecks are the health checks of a policy.
type Healthchecks struct {
	Threshold *int `json:"threshold"`
	Active    *struct {
		Type                   *string             `json:"type"`
		Concurrency            *int                `json:"concurrency"`
		HTTPPath               *string             `json:"httpPath"`
		HTTPSSNI               *string             `json:"httpsSni"`
		HTTPSVerifyCertificate *bool               `json:"httpsVerifyCertificate"`
		Timeout                *int                `json:"timeout"`
		Headers                map[string][]string `json:"headers"`
		Healthy                *Healthy            `json:"healthy"`
		Unhealthy              *Unhealthy          `json:"unhealthy"`
	} `json:"active"`
	Passive *struct {
		Type      *string    `json:"type"`
		Healthy   *Healthy   `json:"healthy"`
		Unhealthy *Unhealthy `json:"unhealthy"`
	} `json:"passive"`
}

// Healthy is when a target counts as healthy.
type Healthy struct {
	HTTPStatuses []int `json:"httpStatuses"`
	Interval     *int  `json:"interval"`
	Successes    *int  `json:"successes"`
}

// Unhealthy is when a target counts as unhealthy.
type Unhealthy struct {
	HTTPFailures *int  `json:"httpFailures"`
	HTTPStatuses []int `json:"httpStatuses"`
	TCPFailures  *int  `json:"tcpFailures"`
	Timeouts     *int  `json:"timeouts"`
	Interval     *int  `json:"interval"`
}

// Ingress is a KongIngress. Of its three parts the controller still reads the upstream, in Kong's own words.
type Ingress struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`

	Upstream json.RawMessage `json:"upstream"`
	Proxy    json.RawMessage `json:"proxy"`
	Route    json.RawMessage `json:"route"`
}

// Vault is a KongVault.
type Vault struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`

	Spec struct {
		Backend     string          `json:"backend"`
		Prefix      string          `json:"prefix"`
		Description string          `json:"description"`
		Config      json.RawMessage `json:"config"`
	} `json:"spec"`

	Status Status `json:"status"`
}

// CustomEntity is a KongCustomEntity: an entity of a kind that a plugin brings.
type CustomEntity struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`

	Spec struct {
		Type           string          `json:"type"`
		ControllerName string          `json:"controllerName"`
		Fields         json.RawMessage `json:"fields"`
		ParentRef      *struct {
			Group     string `json:"group"`
			Kind      string `json:"kind"`
			Namespace string `json:"namespace"`
			Name      string `json:"name"`
		} `json:"parentRef"`
	} `json:"spec"`

	Status Status `json:"status"`
}

// ServiceFacade is a KongServiceFacade: a second face of a Service, with annotations of its own.
type ServiceFacade struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`

	Spec struct {
		BackendRef struct {
			Name string `json:"name"`
			Port int32  `json:"port"`
		} `json:"backendRef"`
	} `json:"spec"`
}

// IngressClassParameters are what an IngressClass can name as its parameters.
type IngressClassParameters struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`

	Spec struct {
		ServiceUpstream            bool `json:"serviceUpstream"`
		EnableLegacyRegexDetection bool `json:"enableLegacyRegexDetection"`
	} `json:"spec"`
}

// Unsupported is an object of a kind that is refused by its name: nothing of it but its metadata is read.
type Unsupported struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`
}
