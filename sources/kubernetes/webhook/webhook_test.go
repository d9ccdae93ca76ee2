package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	admission "k8s.io/api/admission/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/silverback-gateway/silverback/kong/compile"
	"github.com/silverback-gateway/silverback/kong/schema"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/sources/kubernetes/manifest"
	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
	"github.com/silverback-gateway/silverback/sources/kubernetes/translate"
	"github.com/silverback-gateway/silverback/sources/kubernetes/webhook"
	"github.com/silverback-gateway/silverback/testkit/shared"
)

// shop is a cluster in which all is well: an Ingress with a Service and a plugin, and a consumer with a key.
const shop = `
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: web}
spec: {ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: web, annotations: {konghq.com/plugins: limit}}
spec:
  ingressClassName: kong
  rules: [{host: a.example.com, http: {paths: [{path: /a, pathType: Prefix, backend: {service: {name: cart, port: {number: 80}}}}]}}]
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: limit, namespace: web}
plugin: rate-limiting
config: {minute: 5, policy: local}
---
apiVersion: v1
kind: Secret
metadata: {name: ann-key, namespace: web, labels: {konghq.com/credential: key-auth}}
stringData: {key: sesame-open-up}
---
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {name: ann, namespace: web, annotations: {kubernetes.io/ingress.class: kong}}
username: ann
credentials: [ann-key]
`

// cluster are the objects of a cluster, or the error of a cache that has none.
type cluster struct {
	set *object.Set
	err error
}

func (c *cluster) Objects() (*object.Set, error) { return c.set, c.err }

// apply changes the cluster as an API server would.
func (c *cluster) apply(t testing.TB, manifests string) {
	t.Helper()
	c.set = c.set.Without(func(object.Object) bool { return false })
	read(t, c.set, manifests)
}

func read(t testing.TB, set *object.Set, manifests string) {
	t.Helper()
	problems, err := manifest.Read("test", strings.NewReader(manifests), set)
	if err != nil || len(problems) > 0 {
		t.Fatalf("read manifests: %v, %v", err, problems)
	}
	manifest.FillDefaults(set)
}

// translator checks documents as the translator does: it compiles them with the other sources, and has them judged by the schemas of a
// recorded Kong.
type translator struct {
	bundle *schema.Bundle
	other  string        // the document of another source of the group
	err    error         // what every call ends with
	wait   chan struct{} // what a call waits for; nil does not

	mu       sync.Mutex
	requests []*translatorv1.ValidateConfigRequest
}

func (tr *translator) Name() string { return "Kong" }

func (tr *translator) Check(ctx context.Context, b *schema.Budget, kind string, e map[string]any) ([]schema.FieldError, error) {
	return tr.bundle.Check(ctx, b, kind, e)
}

func (tr *translator) calls() []*translatorv1.ValidateConfigRequest {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return slices.Clone(tr.requests)
}

// ValidateConfig implements the rpc.
func (tr *translator) ValidateConfig(ctx context.Context, r *translatorv1.ValidateConfigRequest, _ ...grpc.CallOption) (
	*translatorv1.ValidateConfigResponse, error,
) {
	tr.mu.Lock()
	tr.requests = append(tr.requests, r)
	tr.mu.Unlock()
	if tr.wait != nil {
		select {
		case <-tr.wait:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if tr.err != nil {
		return nil, tr.err
	}
	problems, err := tr.judge(ctx, r)
	answer := &translatorv1.ValidateConfigResponse{ProblemCount: int64(len(problems))}
	for _, p := range problems {
		answer.Problems = append(answer.Problems, &fleetv1.Problem{
			Source: string(p.Source), Document: p.Document, Kind: p.Kind, Name: p.Name, Id: p.ID, Field: p.Field, Message: p.Message,
			Class: fleetv1.Problem_Class(p.Class),
		})
	}
	return answer, err
}

func (tr *translator) judge(ctx context.Context, r *translatorv1.ValidateConfigRequest) ([]compile.Problem, error) {
	c := compile.New(compile.DefaultLimits())
	var documents []compile.Document
	for _, d := range r.GetDocuments() {
		documents = append(documents, compile.Document{Name: d.GetName(), Content: d.GetContent()})
	}
	own, problems := c.Parse(documents)
	if problems != nil {
		return problems, nil
	}
	source := compile.SourceID(r.GetSource())
	fragments := map[compile.SourceID]*compile.Fragment{source: own}
	if tr.other != "" {
		if fragments["other"], problems = c.Parse([]compile.Document{{Name: "other.yaml", Content: []byte(tr.other)}}); problems != nil {
			return problems, nil
		}
	}
	merged, problems := c.Merge(fragments)
	if problems != nil {
		return problems, nil
	}
	verdict, err := merged.Validate(ctx, source, []compile.Validator{tr})
	c.Locate(documents, verdict.Problems)
	for i := range verdict.Problems {
		verdict.Problems[i].Source = ""
	}
	return verdict.Problems, err
}

// bench is a webhook over a cluster.
type bench struct {
	*webhook.Reviewer
	cluster    *cluster
	translator *translator
	metrics    *prometheus.Registry
}

func newBench(t testing.TB, manifests string, change func(*webhook.Config)) *bench {
	t.Helper()
	b := &bench{cluster: &cluster{set: &object.Set{}}, translator: &translator{bundle: shared.Schemas(t)}, metrics: prometheus.NewRegistry()}
	read(t, b.cluster.set, manifests)
	config := webhook.Config{
		Group: "edge", Source: "cluster", Fail: webhook.FailClosed, Timeout: webhook.DefaultTimeout, Reviews: webhook.DefaultReviews,
		Options: translate.Options{IngressClass: "kong"},
	}
	if change != nil {
		change(&config)
	}
	b.Reviewer = webhook.New(config, webhook.Deps{Objects: b.cluster, Validator: b.translator, Metrics: b.metrics})
	return b
}

// request asks about an object: old and now are manifests, empty for what is not there.
func request(t testing.TB, old, now string) *admission.AdmissionRequest {
	t.Helper()
	r := &admission.AdmissionRequest{UID: types.UID("u-1"), Operation: admission.Update}
	switch {
	case old == "":
		r.Operation = admission.Create
	case now == "":
		r.Operation = admission.Delete
	}
	fill := func(text string, into *runtime.RawExtension) {
		if text == "" {
			return
		}
		raw, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		into.Raw = raw
		var head struct {
			meta.TypeMeta
			Metadata meta.ObjectMeta
		}
		if err := json.Unmarshal(raw, &head); err != nil {
			t.Fatal(err)
		}
		kind := head.GroupVersionKind()
		r.Kind = meta.GroupVersionKind{Group: kind.Group, Version: kind.Version, Kind: kind.Kind}
		r.Namespace, r.Name = head.Metadata.Namespace, head.Metadata.Name
	}
	fill(old, &r.OldObject)
	fill(now, &r.Object)
	return r
}

// ask is a review in words.
func (b *bench) ask(t testing.TB, old, now string) (allowed bool, message, warnings string) {
	t.Helper()
	answer := b.Review(t.Context(), request(t, old, now))
	if answer.UID != "u-1" {
		t.Errorf("the answer is for %q", answer.UID)
	}
	if answer.Result != nil {
		message = answer.Result.Message
	}
	return answer.Allowed, message, strings.Join(answer.Warnings, "\n")
}

const plugin = `
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: %NAME%, namespace: web}
plugin: rate-limiting
config: {minute: %MINUTE%, policy: local}
`

func pluginOf(name, minute string) string {
	return strings.NewReplacer("%NAME%", name, "%MINUTE%", minute).Replace(plugin)
}

// cart is the Service of the shop.
const cart = "apiVersion: v1\nkind: Service\nmetadata: {name: cart, namespace: web}\nspec: {ports: [{port: 80}]}"

// TestReviews has what is refused and why, on the cluster of the shop.
func TestReviews(t *testing.T) {
	const ofOther = "namespace: web, annotations: {kubernetes.io/ingress.class: other}"
	none := []string(nil)
	secret := func(name, data string) string {
		return "apiVersion: v1\nkind: Secret\nmetadata: {name: " + name + ", namespace: web, labels: {konghq.com/credential: key-auth}}\n" +
			"data: " + data
	}
	ingress := func(class, path, service string) string {
		return `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: more, namespace: web}
spec:
  ingressClassName: ` + class + `
  rules:
  - http:
      paths: [{path: "` + path + `", pathType: ImplementationSpecific, backend: {service: {name: ` + service + `, port: {number: 80}}}}]`
	}
	changed := func(from, to string) string { return strings.Replace(pluginOf("new", "5"), from, to, 1) }
	for _, c := range []struct {
		what, old, now string
		refused        []string // words of the refusal; without them it is admitted
		warned         []string
	}{
		{"a plugin that nothing uses yet and is good", "", pluginOf("new", "5"), none, none},
		{
			"a plugin that nothing uses yet and has a wrong value", "", pluginOf("new", "abc"),
			[]string{"KongPlugin/web/new", "config.minute", "number"}, none,
		},
		{
			"a plugin in use that becomes wrong", pluginOf("limit", "5"), pluginOf("limit", "abc"),
			[]string{"KongPlugin/web/limit", "config.minute"}, none,
		},
		{"a plugin that is repaired", pluginOf("broken", "abc"), pluginOf("broken", "7"), none, none},
		{"a plugin that no gateway has", "", changed("rate-limiting", "rate-limitless"), []string{"rate-limitless"}, none},
		{"a plugin of another class", "", strings.Replace(pluginOf("new", "abc"), "namespace: web", ofOther, 1), none, none},
		{"a plugin without a plugin", "", changed("plugin: rate-limiting", "plugin: ''"), []string{"it names no plugin (Invalid)"}, none},
		{"an Ingress of ours", "", ingress("kong", "/b", "cart"), none, none},
		{"an Ingress of another class", "", ingress("nginx", "/~(", "none"), none, none},
		{
			"an Ingress before its Service", "", ingress("kong", "/b", "later"),
			none, []string{"Ingress/web/more", "there is no Service web/later"},
		},
		{"an Ingress with a broken expression", "", ingress("kong", "/~/b(", "cart"), []string{"Ingress/web/more", "paths[0]"}, none},
		{
			"a Service that an Ingress needs goes away", cart, "",
			none, []string{"Ingress/web/shop", "there is no Service web/cart"},
		},
		{"a credential that nothing uses yet and is good", "", secret("bob-key", "{key: bGF0ZXItdGhhbi1zb29u}"), none, none},
		{
			"a credential without its key", "", secret("bob-key", "{kye: bGF0ZXItdGhhbi1zb29u}"),
			[]string{"Secret/web/bob-key", "it has no key (Invalid)"}, none,
		},
		{
			"a credential in use that loses its key", secret("ann-key", "{key: c2VzYW1lLW9wZW4tdXA=}"), secret("ann-key", "{}"),
			[]string{"Secret/web/ann-key", "it has no key"}, none,
		},
		{
			"a Secret that is none of ours", "", "apiVersion: v1\nkind: Secret\nmetadata: {name: x, namespace: web}\ndata: {a: YQ==}",
			none, none,
		},
		{
			"an object that does not decode", "", changed("plugin: rate-limiting", "plugin: [a-secret]"),
			[]string{"KongPlugin/web/new", "plugin cannot be a array"}, none,
		},
		{
			"a kind that is refused by name", "",
			"apiVersion: configuration.konghq.com/v1beta1\nkind: TCPIngress\nmetadata: {name: x, namespace: web}",
			[]string{"use a TCPRoute (Unsupported)"}, none,
		},
		{"a kind that means nothing to a gateway", "", "apiVersion: v1\nkind: Pod\nmetadata: {name: x, namespace: web}", none, none},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := newBench(t, shop+"---"+pluginOf("broken", "abc"), nil)
			allowed, message, warned := b.ask(t, c.old, c.now)
			if allowed != (len(c.refused) == 0) {
				t.Fatalf("allowed is %v: %s", allowed, message)
			}
			for _, word := range c.refused {
				if !strings.Contains(message, word) {
					t.Errorf("the refusal does not say %q: %s", word, message)
				}
			}
			for _, word := range c.warned {
				if !strings.Contains(warned, word) {
					t.Errorf("the warnings do not say %q: %s", word, warned)
				}
			}
			if len(c.warned) == 0 && warned != "" {
				t.Errorf("there are warnings: %s", warned)
			}
			for _, text := range []string{message, warned} {
				for _, hidden := range []string{"sesame", "later-than-soon", "a-secret", "silverback-review"} {
					if strings.Contains(text, hidden) {
						t.Errorf("%q is in what is said: %s", hidden, text)
					}
				}
			}
		})
	}
}

// TestWhatWasBrokenBeforeRefusesNothing changes an object that was broken already, and one that uses it: neither made the problem.
func TestWhatWasBrokenBeforeRefusesNothing(t *testing.T) {
	b := newBench(t, strings.Replace(shop, "minute: 5", "minute: abc", 1), nil)
	labelled := strings.Replace(pluginOf("limit", "abc"), "namespace: web", "namespace: web, labels: {a: b}", 1)
	if allowed, message, _ := b.ask(t, pluginOf("limit", "abc"), labelled); !allowed {
		t.Errorf("a label of a broken plugin is refused: %s", message)
	}
	tagged := strings.Replace(pluginOf("limit", "abc"), "namespace: web", "namespace: web, annotations: {konghq.com/tags: t}", 1)
	if allowed, message, _ := b.ask(t, pluginOf("limit", "abc"), tagged); !allowed {
		t.Errorf("a tag of a broken plugin is refused: %s", message)
	}
}

// TestABrokenPluginIsRefusedWhereItIsAttached attaches a plugin that got by, as it was made while nobody reviewed.
func TestABrokenPluginIsRefusedWhereItIsAttached(t *testing.T) {
	b := newBench(t, shop+"---"+pluginOf("broken", "abc"), nil)
	at := strings.Index(shop, "apiVersion: networking")
	old, _, _ := strings.Cut(shop[at:], "---")
	allowed, message, _ := b.ask(t, old, strings.Replace(old, "plugins: limit", "plugins: broken", 1))
	if allowed || !strings.Contains(message, "Ingress/web/shop, KongPlugin/web/broken") || !strings.Contains(message, "config.minute") {
		t.Errorf("allowed %v: %s", allowed, message)
	}
}

// TestACredentialOfAnotherIsRefused has two consumers claim one key: each would take the other out.
func TestACredentialOfAnotherIsRefused(t *testing.T) {
	b := newBench(t, shop, nil)
	b.cluster.apply(t, `
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {name: bob, namespace: web, annotations: {kubernetes.io/ingress.class: kong}}
username: bob
credentials: [bob-key]
`)
	allowed, message, warned := b.ask(t, "", `
apiVersion: v1
kind: Secret
metadata: {name: bob-key, namespace: web, labels: {konghq.com/credential: key-auth}}
data: {key: c2VzYW1lLW9wZW4tdXA=}
`)
	if allowed || !strings.Contains(message, "Secret/web/bob-key: another credential has the same key of key-auth (Conflict)") {
		t.Errorf("allowed %v: %s", allowed, message)
	}
	if !strings.Contains(warned, "KongConsumer/web/ann") || strings.Contains(message+warned, "sesame") {
		t.Errorf("warnings: %s", warned)
	}
}

// TestUnresolvedCanBeRefused turns the warning into a refusal.
func TestUnresolvedCanBeRefused(t *testing.T) {
	b := newBench(t, shop, func(c *webhook.Config) { c.RefuseUnresolved = true })
	at := strings.Index(shop, "apiVersion: networking")
	old, _, _ := strings.Cut(shop[at:], "---")
	allowed, message, _ := b.ask(t, old, strings.Replace(old, "name: cart", "name: gone", 1))
	if allowed || !strings.Contains(message, "there is no Service web/gone (Unresolved)") {
		t.Errorf("allowed %v: %s", allowed, message)
	}
}

// TestWhatCannotBeReviewed fails open or closed, and says so.
func TestWhatCannotBeReviewed(t *testing.T) {
	for _, c := range []struct {
		what   string
		break_ func(*bench)
		says   string
	}{
		{"a translator that does not answer", func(b *bench) { b.translator.err = errors.New("refused") }, "ask the translator"},
		{"a translator that is slow", func(b *bench) { b.translator.wait = make(chan struct{}) }, "takes too long"},
		{"a cache that is empty", func(b *bench) { b.cluster.err = errors.New("waiting for Secrets") }, "not known yet: waiting for Secrets"},
	} {
		for _, mode := range []webhook.FailMode{webhook.FailOpen, webhook.FailClosed} {
			t.Run(c.what+", "+string(mode), func(t *testing.T) {
				b := newBench(t, shop, func(config *webhook.Config) { config.Fail, config.Timeout = mode, 200*time.Millisecond })
				c.break_(b)
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				defer cancel()
				answer := b.Review(ctx, request(t, "", pluginOf("new", "5")))
				if answer.Allowed != (mode == webhook.FailOpen) {
					t.Errorf("allowed is %v", answer.Allowed)
				}
				said := strings.Join(answer.Warnings, "\n")
				if answer.Result != nil {
					said += answer.Result.Message
				}
				for _, word := range []string{c.says, "KongPlugin/web/new", "--fail " + string(mode)} {
					if !strings.Contains(said, word) {
						t.Errorf("it does not say %q: %s", word, said)
					}
				}
				if n := b.count(t, "failed_"+string(mode)); n != 1 {
					t.Errorf("the metric counts %v", n)
				}
			})
		}
	}
}

// TestABrokenObjectIsRefusedWithoutATranslator needs no translator to see that a plugin names none.
func TestABrokenObjectIsRefusedWithoutATranslator(t *testing.T) {
	b := newBench(t, shop, func(c *webhook.Config) { c.Fail = webhook.FailOpen })
	b.translator.err = errors.New("down")
	allowed, message, _ := b.ask(t, pluginOf("limit", "5"), strings.Replace(pluginOf("limit", "5"), "plugin: rate-limiting", "plugin: ''", 1))
	if allowed || !strings.Contains(message, "it names no plugin") {
		t.Errorf("allowed %v: %s", allowed, message)
	}
}

// TestOnlyWhatChangesIsChecked looks at what the translator is asked.
func TestOnlyWhatChangesIsChecked(t *testing.T) {
	b := newBench(t, shop, nil)
	b.translator.other = `{"_format_version": "3.0", "services": [{"name": "elsewhere", "url": "http://example.com"}]}`
	b.ask(t, pluginOf("limit", "5"), strings.Replace(pluginOf("limit", "5"), "namespace: web", "namespace: web, labels: {a: b}", 1))
	if calls := b.translator.calls(); len(calls) != 0 {
		t.Errorf("a label is checked: %v", calls)
	}
	b.ask(t, pluginOf("limit", "5"), pluginOf("limit", "6"))
	calls := b.translator.calls()
	if len(calls) != 1 || calls[0].GetGroup() != "edge" || calls[0].GetSource() != "cluster" {
		t.Fatalf("the translator is asked %v", calls)
	}
	var names []string
	for _, d := range calls[0].GetDocuments() {
		names = append(names, d.GetName())
	}
	if len(names) != 2 || !strings.HasPrefix(names[0], "plugins/") || names[1] != "services/web.cart.80" {
		t.Errorf("the documents are %v", names)
	}
}

// TestAnotherSourceMayReferToThisOne has a plugin of another source on a service of this one, which documents of the changed entities
// alone would leave without its service.
func TestAnotherSourceMayReferToThisOne(t *testing.T) {
	b := newBench(t, shop, nil)
	b.translator.other = `{"_format_version": "3.0", "plugins": [{"name": "cors", "service": "web.cart.80"}]}`
	allowed, message, _ := b.ask(t, "", pluginOf("new", "abc"))
	if allowed || !strings.Contains(message, "KongPlugin/web/new") || !strings.Contains(message, "config.minute") {
		t.Errorf("allowed %v: %s", allowed, message)
	}
	if allowed, message, _ := b.ask(t, "", pluginOf("new", "7")); !allowed {
		t.Errorf("a good plugin is refused: %s", message)
	}
}

func (b *bench) count(t testing.TB, outcome string) float64 {
	t.Helper()
	families, err := b.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if len(m.GetLabel()) > 0 && m.GetLabel()[0].GetValue() == outcome {
				return m.GetCounter().GetValue()
			}
		}
	}
	return -1
}
