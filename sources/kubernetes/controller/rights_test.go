package controller

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	authorization "k8s.io/api/authorization/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/silverback-gateway/silverback/sources/kubernetes/testkit/apiserver"
)

// account is that of the controller in deploy/k8s.
const account = "silverback-kubernetes"

// aOfEach has an object of every kind whose status is written.
const aOfEach = `
{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: kong}, spec: {controller: example.com/controller}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {name: edge}, spec: {controllerName: example.com/controller}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {namespace: web, name: edge}
spec:
  gatewayClassName: edge
  allowedListeners: {namespaces: {from: All}}
  listeners:
  - {name: http, port: 80, protocol: HTTP}
  - {name: tcp, port: 9000, protocol: TCP}
  - {name: udp, port: 9001, protocol: UDP}
  - {name: tls, port: 9002, protocol: TLS, tls: {mode: Passthrough}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {namespace: web, name: more}
spec: {parentRef: {name: edge}, listeners: [{name: more, port: 81, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {namespace: web, name: http}
spec: {parentRefs: [{name: edge}], rules: [{backendRefs: [{name: cart, port: 80}]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {namespace: web, name: grpc}
spec: {parentRefs: [{name: edge}], hostnames: [grpc.example.com], rules: [{backendRefs: [{name: cart, port: 80}]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {namespace: web, name: tls}
spec: {parentRefs: [{name: edge}], hostnames: [tls.example.com], rules: [{backendRefs: [{name: cart, port: 80}]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: {namespace: web, name: tcp}
spec: {parentRefs: [{name: edge}], rules: [{backendRefs: [{name: cart, port: 80}]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: UDPRoute
metadata: {namespace: web, name: udp}
spec: {parentRefs: [{name: edge}], rules: [{backendRefs: [{name: cart, port: 80}]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {namespace: web, name: cart}
spec: {targetRefs: [{group: "", kind: Service, name: cart}], validation: {hostname: cart.example.com, wellKnownCACertificates: System}}
---
{apiVersion: configuration.konghq.com/v1, kind: KongPlugin, metadata: {namespace: web, name: cors}, plugin: cors}
---
{apiVersion: configuration.konghq.com/v1, kind: KongClusterPlugin, metadata: {name: all, annotations: {kubernetes.io/ingress.class: kong}},
 plugin: cors}
---
{apiVersion: configuration.konghq.com/v1, kind: KongConsumer, metadata: {namespace: web, name: ada, annotations: {
 kubernetes.io/ingress.class: kong}}, username: ada}
---
{apiVersion: configuration.konghq.com/v1beta1, kind: KongConsumerGroup, metadata: {namespace: web, name: gold, annotations: {
 kubernetes.io/ingress.class: kong}}}
---
{apiVersion: configuration.konghq.com/v1beta1, kind: KongUpstreamPolicy, metadata: {namespace: web, name: hashed}, spec: {
 algorithm: round-robin}}
---
{apiVersion: v1, kind: Service, metadata: {namespace: web, name: cart, annotations: {konghq.com/upstream-policy: hashed}}, spec: {
 ports: [{port: 80}]}}
---
{apiVersion: configuration.konghq.com/v1alpha1, kind: KongVault, metadata: {name: env, annotations: {kubernetes.io/ingress.class: kong}},
 spec: {backend: env, prefix: env}}
---
{apiVersion: configuration.konghq.com/v1alpha1, kind: KongCustomEntity, metadata: {namespace: web, name: none}, spec: {
 type: none, controllerName: kong, fields: {name: none}}}
`

var gatewayClasses = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "gatewayclasses"}

// request is one that an API server answered.
type request struct{ verb, resource, namespace string }

func (r request) String() string { return r.verb + " " + r.resource }

// audit reads what the account asked for, and how it was answered: true for what was refused.
func audit(t *testing.T, file, user string) map[request]bool {
	t.Helper()
	log, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	asked := map[request]bool{}
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Verb           string
			User           struct{ Username string }
			ObjectRef      *struct{ APIGroup, Resource, Subresource, Namespace string }
			ResponseStatus struct{ Code int }
		}
		if json.Unmarshal(lines.Bytes(), &event) != nil || event.User.Username != user || event.ObjectRef == nil {
			continue // the last line may be half written, and paths such as /readyz are no objects
		}
		of := event.ObjectRef
		name := request{event.Verb, strings.TrimSuffix(of.APIGroup+"/"+of.Resource+"/"+of.Subresource, "/"), of.Namespace}
		asked[name] = asked[name] || event.ResponseStatus.Code == 401 || event.ResponseStatus.Code == 403
	}
	return asked
}

// writes are verbs that change something.
func writes(verb string) bool { return !slices.Contains([]string{"get", "list", "watch"}, verb) }

// TestTheControllerWritesStatusesEventsAndItsLeaseAlone runs the controller with the token of its account, and the rights that deploy/k8s
// gives it, on an API server that writes down what it is asked: nothing is refused, each right to write is used, and there is no other.
func TestTheControllerWritesStatusesEventsAndItsLeaseAlone(t *testing.T) {
	dir := t.TempDir()
	policy, log := filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "audit.log")
	const all = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n"
	if err := os.WriteFile(policy, []byte(all), 0o600); err != nil {
		t.Fatal(err)
	}
	server := apiserver.New(t, "--audit-policy-file="+policy, "--audit-log-path="+log, "--audit-log-mode=blocking")
	c := &realCluster{world: newFleet(t), server: server, rest: server.AsAccount(t, account, "serviceaccount.yaml", "clusterrole.yaml",
		"role.yaml")}
	c.apply(service("web", "10.0.0.1"), ingress("web/shop", "/shop"), ingress("web/broken", "/broken", "konghq.com/plugins: none"), aOfEach)

	may := c.rights()
	shipped := func(config *Config) {
		config.LeaderElectionNamespace, config.LeaderElectionName = apiserver.Namespace, account
		config.PublishAddresses = []string{"192.0.2.1"} // without one an Ingress has no status to write
	}
	used := func() error {
		asked := audit(t, log, "system:serviceaccount:"+apiserver.Namespace+":"+account)
		for name, refused := range asked {
			if refused {
				t.Fatalf("the controller may not %s in namespace %q", name, name.namespace)
			}
			if writes(name.verb) && !may[name.String()] && !strings.Contains(name.resource, "/selfsubject") { // that was the test
				t.Errorf("the controller did %s", name)
			}
		}
		var unused []string
		for right := range may {
			// The library tells once who leads; it patches when it has told it before.
			if right != "patch /events" && !slices.ContainsFunc(slices.Collect(maps.Keys(asked)), func(r request) bool {
				return r.String() == right
			}) {
				unused = append(unused, right)
			}
		}
		if len(unused) > 0 {
			return fmt.Errorf("it did not %s yet", strings.Join(unused, ", "))
		}
		return nil
	}
	// Another process tells the same problems again, and counts the Events that are there.
	stop, _ := c.start(shipped)
	c.eventually("an Event is there", func() error {
		if asked := audit(t, log, "system:serviceaccount:"+apiserver.Namespace+":"+account); !slices.ContainsFunc(
			slices.Collect(maps.Keys(asked)), func(r request) bool { return r.String() == "create events.k8s.io/events" }) {
			return errors.New("there is none")
		}
		return nil
	})
	stop()
	stop, _ = c.start(shipped)
	c.eventually("every right is used", used)
	c.eventually("the class says that the version of the Gateway API is supported", func() error {
		list, _, _ := unstructured.NestedSlice(c.get(gatewayClasses, "", "edge").Object, "status", "conditions")
		if text := fmt.Sprint(list); !strings.Contains(text, "reason:SupportedVersion") {
			return errors.New(text)
		}
		return nil
	})
	stop()
	c.holdsNoOther()
}

// rights are those to write that the roles of the account have, as the API server says.
func (c *realCluster) rights() map[string]bool {
	c.Helper()
	asks, err := kubernetes.NewForConfig(c.rest)
	if err != nil {
		c.Fatal(err)
	}
	may := map[string]bool{}
	for _, namespace := range []string{"web", core.NamespaceDefault, metav1.NamespaceSystem, apiserver.Namespace} {
		answer, err := asks.AuthorizationV1().SelfSubjectRulesReviews().Create(c.Context(), &authorization.SelfSubjectRulesReview{
			Spec: authorization.SelfSubjectRulesReviewSpec{Namespace: namespace}}, metav1.CreateOptions{})
		if err != nil || answer.Status.Incomplete || answer.Status.EvaluationError != "" {
			c.Fatalf("the rights in %s are not known: %+v, %v", namespace, answer, err)
		}
		for _, rule := range answer.Status.ResourceRules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					for _, verb := range rule.Verbs {
						if writes(verb) && !strings.HasPrefix(resource, "selfsubject") { // everybody may ask what they may do
							may[verb+" "+group+"/"+resource] = true
							c.mustBeMeant(namespace, verb, group+"/"+resource)
						}
					}
				}
			}
		}
	}
	return may
}

// mustBeMeant fails the test for a right that no page promises.
func (c *realCluster) mustBeMeant(namespace, verb, resource string) {
	c.Helper()
	status := verb == "patch" && strings.HasSuffix(resource, "/status")
	event := resource == "events.k8s.io/events" && (verb == "create" || verb == "patch")
	lease := namespace == apiserver.Namespace && resource == "coordination.k8s.io/leases" && (verb == "create" || verb == "update")
	leads := namespace == apiserver.Namespace && resource == "/events" && (verb == "create" || verb == "patch")
	if !status && !event && !lease && !leads {
		c.Errorf("in namespace %s the account may %s %s", namespace, verb, resource)
	}
}

// holdsNoOther tries what the account may not do.
func (c *realCluster) holdsNoOther() {
	c.Helper()
	client, err := dynamic.NewForConfig(rest.CopyConfig(c.rest))
	if err != nil {
		c.Fatal(err)
	}
	shop := c.get(ingresses, "web", "shop")
	lease := schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
	for what, try := range map[string]func() error{
		"change a spec": func() error {
			_, err := client.Resource(ingresses).Namespace("web").Update(c.Context(), shop, metav1.UpdateOptions{})
			return err
		},
		"annotate a namespace": func() error {
			patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:"true"}}}`, AllowShrink)
			_, err := client.Resource(core.SchemeGroupVersion.WithResource("namespaces")).Patch(c.Context(), "web", types.MergePatchType, patch,
				metav1.PatchOptions{})
			return err
		},
		"delete an Ingress": func() error {
			return client.Resource(ingresses).Namespace("web").Delete(c.Context(), "shop", metav1.DeleteOptions{})
		},
		"make a class": func() error {
			class := shop.DeepCopy()
			class.SetGroupVersionKind(networking.SchemeGroupVersion.WithKind("IngressClass"))
			_, err := client.Resource(networking.SchemeGroupVersion.WithResource("ingressclasses")).Create(c.Context(), class,
				metav1.CreateOptions{})
			return err
		},
		"list Pods": func() error {
			_, err := client.Resource(core.SchemeGroupVersion.WithResource("pods")).List(c.Context(), metav1.ListOptions{})
			return err
		},
		"take the Lease of another": func() error {
			_, err := client.Resource(lease).Namespace(apiserver.Namespace).Get(c.Context(), "other", metav1.GetOptions{})
			return err
		},
	} {
		if err := try(); !apierrors.IsForbidden(err) {
			c.Errorf("the account may %s: %v", what, cmp.Or(err, errors.New("done")))
		}
	}
}
