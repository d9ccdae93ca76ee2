// Package crds makes the definitions of Kong's custom resources from the types that the translation reads, so that a cluster without Kong
// Ingress Controller can have the resources. Groups, versions, names and scopes are the controller's: an installation that has its
// definitions keeps them, and objects move between the two as they are.
package crds

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/silverback-gateway/silverback/sources/kubernetes/kongcrd"
)

// A Definition is one custom resource, as a manifest.
type Definition struct {
	Name     string // of the file, and of the CustomResourceDefinition
	Manifest []byte // YAML
}

// tree is a piece of a manifest.
type tree = map[string]any

// resource is what the Go type of a kind does not say.
type resource struct {
	kind, plural, short, version string
	group                        string
	cluster                      bool
	about                        string // one sentence for kubectl explain
	of                           any
	required                     []string          // fields of the object, or of its spec as spec.NAME
	more                         map[string]tree   // fields that the controller has and the translation does not read
	status                       tree              // nil: without a status
	columns                      map[string]string // of kubectl get: JSON paths by their heads
}

// All returns the definitions, ordered by name.
func All() ([]Definition, error) {
	var all []Definition
	for _, r := range resources() {
		d, err := r.definition()
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b Definition) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func (r resource) definition() (Definition, error) {
	schema := schemaOf(reflect.TypeOf(r.of))
	fields := properties(schema)
	fields["apiVersion"], fields["kind"], fields["metadata"] = text(), text(), tree{"type": "object"}
	schema["description"] = r.about
	for path, s := range r.more {
		parent, name := r.parent(schema, path)
		properties(parent)[name] = s
	}
	for _, path := range r.required {
		parent, name := r.parent(schema, path)
		if properties(parent)[name] == nil {
			return Definition{}, fmt.Errorf("%s has no field %s to require", r.kind, path)
		}
		required, _ := parent["required"].([]any)
		parent["required"] = append(required, name)
	}
	version := tree{"name": r.version, "served": true, "storage": true}
	if r.status != nil {
		fields["status"] = r.status
		version["subresources"] = tree{"status": tree{}}
	}
	version["schema"] = tree{"openAPIV3Schema": schema}
	if columns := r.printed(); len(columns) > 0 {
		version["additionalPrinterColumns"] = columns
	}
	scope := "Namespaced"
	if r.cluster {
		scope = "Cluster"
	}
	names := tree{"kind": r.kind, "listKind": r.kind + "List", "plural": r.plural, "singular": strings.ToLower(r.kind)}
	if r.short != "" {
		names["shortNames"] = []any{r.short}
		names["categories"] = []any{"kong-ingress-controller"}
	}
	name := r.plural + "." + r.group
	out, err := yaml.Marshal(tree{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": tree{"name": name},
		"spec":     tree{"group": r.group, "names": names, "scope": scope, "versions": []any{version}},
	})
	if err != nil {
		return Definition{}, fmt.Errorf("write the definition of %s: %w", r.kind, err)
	}
	return Definition{Name: name, Manifest: out}, nil
}

// parent is the schema that holds a field of the object, or of its spec.
func (r resource) parent(schema tree, path string) (tree, string) {
	if name, ok := strings.CutPrefix(path, "spec."); ok {
		return properties(schema)["spec"].(tree), name
	}
	return schema, path
}

// printed are the columns, with those that every kind has.
func (r resource) printed() []any {
	var columns []any
	for _, head := range slices.Sorted(maps.Keys(r.columns)) {
		columns = append(columns, tree{"name": head, "type": "string", "jsonPath": r.columns[head]})
	}
	if r.status != nil && r.status["properties"].(tree)["conditions"] != nil {
		columns = append(columns, tree{"name": "Programmed", "type": "string", "jsonPath": `.status.conditions[?(@.type=="Programmed")].status`})
	}
	return append(columns, tree{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"})
}

func properties(schema tree) tree { return schema["properties"].(tree) }

// schemaOf is the structural schema of a Go type. What is raw JSON there is free.
func schemaOf(t reflect.Type) tree {
	switch {
	case t == reflect.TypeFor[json.RawMessage]():
		return free()
	case t.Kind() == reflect.Pointer:
		return schemaOf(t.Elem())
	}
	switch t.Kind() {
	case reflect.String:
		return text()
	case reflect.Bool:
		return tree{"type": "boolean"}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return tree{"type": "integer"}
	case reflect.Slice:
		return tree{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Map:
		return tree{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Struct:
		return object(t)
	}
	panic(fmt.Sprintf("no schema for %s", t)) // a type that kongcrd does not have yet
}

// object is the schema of a struct, without what each object of Kubernetes has.
func object(t reflect.Type) tree {
	fields := tree{}
	for field := range t.Fields() {
		if field.Type == reflect.TypeFor[meta.TypeMeta]() || field.Type == reflect.TypeFor[meta.ObjectMeta]() {
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "status" {
			continue // what a controller writes: a resource says which form it has
		}
		fields[name] = schemaOf(field.Type)
	}
	return tree{"type": "object", "properties": fields}
}

func text() tree { return tree{"type": "string"} }

func texts() tree { return tree{"type": "array", "items": text()} }

func free() tree { return tree{"x-kubernetes-preserve-unknown-fields": true} }

// freeObject may have any fields, but is an object.
func freeObject() tree { return tree{"type": "object", "x-kubernetes-preserve-unknown-fields": true} }

// conditions are those of Kubernetes, one of each type.
func conditions() tree {
	return tree{
		"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": []any{"type"},
		"items": tree{
			"type": "object", "required": []any{"lastTransitionTime", "message", "reason", "status", "type"},
			"properties": tree{
				"type":               tree{"type": "string", "maxLength": 316},
				"status":             tree{"type": "string", "enum": []any{"True", "False", "Unknown"}},
				"reason":             tree{"type": "string", "minLength": 1, "maxLength": 1024},
				"message":            tree{"type": "string", "maxLength": 32768},
				"observedGeneration": tree{"type": "integer", "format": "int64", "minimum": 0},
				"lastTransitionTime": tree{"type": "string", "format": "date-time"},
			},
		},
	}
}

// withConditions is the status of most kinds.
func withConditions() tree {
	return tree{"type": "object", "properties": tree{"conditions": conditions()}}
}

// withAncestors is the status of a policy of the Gateway API: conditions for each object that the policy is for.
func withAncestors() tree {
	return tree{"type": "object", "properties": tree{"ancestors": tree{
		"type": "array", "maxItems": 16,
		"items": tree{
			"type": "object", "required": []any{"ancestorRef", "controllerName"},
			"properties": tree{
				"ancestorRef": tree{"type": "object", "required": []any{"name"}, "properties": tree{
					"group": text(), "kind": text(), "namespace": text(), "name": text(), "sectionName": text(), "port": tree{"type": "integer"},
				}},
				"controllerName": text(),
				"conditions":     conditions(),
			},
		},
	}}}
}

// withControllers is the status of a license: conditions for each controller.
func withControllers() tree {
	return tree{"type": "object", "properties": tree{"controllers": tree{
		"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": []any{"controllerName"},
		"items": tree{
			"type": "object", "required": []any{"controllerName"},
			"properties": tree{"controllerName": text(), "controllerRef": freeObject(), "conditions": conditions()},
		},
	}}}
}

// withAddresses is the status of an Ingress.
func withAddresses() tree {
	return tree{"type": "object", "properties": tree{"loadBalancer": freeObject()}}
}

// The versions of these resources.
const (
	v1       = "v1"
	v1beta1  = "v1beta1"
	v1alpha1 = "v1alpha1"
)

func resources() []resource {
	plugin := map[string]tree{"config": freeObject(), "consumerRef": text(), "run_on": text(), "ordering": freeObject()}
	ofPlugin := map[string]string{"Plugin": ".plugin"}
	return []resource{
		{
			group: kongcrd.Group, kind: kongcrd.KindPlugin, plural: "kongplugins", short: "kp", version: v1, of: kongcrd.Plugin{},
			about:    "A plugin of Kong for the Services, routes, Ingresses and consumers that name it.",
			required: []string{"plugin"}, more: plugin, status: withConditions(), columns: ofPlugin,
		},
		{
			group: kongcrd.Group, kind: kongcrd.KindClusterPlugin, plural: "kongclusterplugins", short: "kcp", version: v1, cluster: true,
			of: kongcrd.Plugin{}, about: "A plugin of Kong for objects of any namespace, or with the label global for every request.",
			required: []string{"plugin"}, more: plugin, status: withConditions(), columns: ofPlugin,
		},
		{
			group: kongcrd.Group, kind: kongcrd.KindConsumer, plural: "kongconsumers", short: "kc", version: v1, of: kongcrd.Consumer{},
			about: "Somebody who sends requests, with credentials in Secrets.",
			more:  map[string]tree{"spec": freeObject()}, status: withConditions(), columns: map[string]string{"Username": ".username"},
		},
		{
			group: kongcrd.Group, kind: kongcrd.KindConsumerGroup, plural: "kongconsumergroups", short: "kcg", version: v1beta1,
			of: kongcrd.ConsumerGroup{}, about: "A group of consumers, named as the object is.",
			more: map[string]tree{"spec": freeObject()}, status: withConditions(),
		},
		{
			group: kongcrd.Group, kind: kongcrd.KindUpstreamPolicy, plural: "kongupstreampolicies", short: "kup", version: v1beta1,
			of: kongcrd.UpstreamPolicy{}, about: "How Kong balances the load of a Service and checks the health of its endpoints.",
			status: withAncestors(),
		},
		{
			group: kongcrd.Group, kind: kongcrd.KindIngress, plural: "kongingresses", short: "ki", version: v1, of: kongcrd.Ingress{},
			about: "Settings of an upstream in Kong's own words. Deprecated: use a KongUpstreamPolicy.",
			more:  map[string]tree{"upstream": freeObject(), "proxy": freeObject(), "route": freeObject()}, status: withConditions(),
		},
		{
			group: kongcrd.Group, kind: kongcrd.KindVault, plural: "kongvaults", short: "kv", version: v1alpha1, cluster: true,
			of: kongcrd.Vault{}, about: "A place that gateways read secrets from.", required: []string{"spec", "spec.backend", "spec.prefix"},
			more: map[string]tree{"spec.tags": texts(), "spec.controlPlaneRef": freeObject()}, status: withConditions(),
			columns: map[string]string{"Backend": ".spec.backend", "Prefix": ".spec.prefix"},
		},
		{
			group: kongcrd.Group, kind: kongcrd.KindCustomEntity, plural: "kongcustomentities", short: "kce", version: v1alpha1,
			of: kongcrd.CustomEntity{}, about: "An entity of a kind that has no resource of its own.",
			required: []string{"spec", "spec.type", "spec.controllerName", "spec.fields"}, status: withConditions(),
			columns: map[string]string{"Entity": ".spec.type"},
		},
		{
			group: kongcrd.Group, kind: kongcrd.KindLicense, plural: "konglicenses", short: "kl", version: v1alpha1, cluster: true,
			of: kongcrd.Unsupported{}, about: "A license of Kong Enterprise. Refused: these gateways are open source.",
			required: []string{"enabled", "rawLicenseString"}, status: withControllers(),
			more: map[string]tree{"enabled": {"type": "boolean", "default": true}, "rawLicenseString": text()},
		},
		{
			group: kongcrd.IncubatorGroup, kind: kongcrd.KindServiceFacade, plural: "kongservicefacades", short: "ksf", version: v1alpha1,
			of: kongcrd.ServiceFacade{}, about: "A second face of a Service, with annotations of its own.",
			required: []string{"spec", "spec.backendRef"}, status: withConditions(),
		},
		{
			group: kongcrd.Group, kind: kongcrd.KindIngressClassParameters, plural: "ingressclassparameterses", version: v1alpha1,
			of: kongcrd.IngressClassParameters{}, about: "What an IngressClass names as its parameters.",
		},
		{
			group: kongcrd.Group, kind: kongcrd.KindTCPIngress, plural: "tcpingresses", version: v1beta1, of: kongcrd.Unsupported{},
			about: "Refused: use a TCPRoute.", more: map[string]tree{"spec": freeObject()}, status: withAddresses(),
		},
		{
			group: kongcrd.Group, kind: kongcrd.KindUDPIngress, plural: "udpingresses", version: v1beta1, of: kongcrd.Unsupported{},
			about: "Refused: use a UDPRoute.", more: map[string]tree{"spec": freeObject()}, status: withAddresses(),
		},
	}
}
