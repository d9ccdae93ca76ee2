package manifest

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/object"
)

func readText(t *testing.T, text string) (*object.Set, []object.Problem) {
	t.Helper()
	set := &object.Set{}
	problems, err := Read("input", strings.NewReader(text), set)
	if err != nil {
		t.Fatal(err)
	}
	return set, problems
}

func refs(set *object.Set) string {
	var names []string
	for _, obj := range set.All() {
		names = append(names, object.RefOf(obj).String())
	}
	return strings.Join(names, " ")
}

func TestEveryFormOfAnInputIsRead(t *testing.T) {
	const one = `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "n"}}`
	const two = `{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "b"}}`
	for what, text := range map[string]string{
		"documents of YAML":        "# nothing\n---\n" + one + "\n--- # and another\n" + two + "\n---\n",
		"Windows' ends of lines":   "---\r\n" + one + "\r\n---\r\n" + two + "\r\n",
		"a stream of JSON":         one + two,
		"a list":                   `{"apiVersion": "v1", "kind": "List", "items": [` + one + `, ` + two + `]}`,
		"a list of a kind in YAML": "apiVersion: v1\nkind: ServiceList\nitems:\n- " + one + "\n- " + two,
		"kinds of no gateway":      one + two + `{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "c"}}`,
	} {
		set, problems := readText(t, text)
		FillDefaults(set)
		if got := refs(set); got != "Secret/default/b Service/n/a" || len(problems) > 0 {
			t.Errorf("%s: %s, problems %v", what, got, problems)
		}
	}
}

func TestAnObjectThatDoesNotDecodeCostsItself(t *testing.T) {
	set, problems := readText(t, `
apiVersion: v1
kind: Secret
metadata: {name: wrong}
data: {key: "%%secret%%"}
---
apiVersion: v1
kind: Service
metadata: {name: ports}
spec: {ports: [{port: secret}]}
---
kind: ReferenceGrant
metadata: {name: versionless}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTrafficPolicy
metadata: {name: unknown}
---
apiVersion: v1
kind: Service
metadata: {name: right}
`)
	if got := refs(set); got != "Service/right" {
		t.Errorf("read %s", got)
	}
	var reasons []object.Reason
	for _, p := range problems {
		reasons = append(reasons, p.Reason)
		if strings.Contains(p.Message, "secret") {
			t.Errorf("a problem shows a value: %s", p.Message)
		}
	}
	want := []object.Reason{object.ReasonInvalid, object.ReasonInvalid, object.ReasonInvalid, object.ReasonUnsupported}
	if !reflect.DeepEqual(reasons, want) {
		t.Errorf("%v", problems)
	}
}

func TestWhatIsNoManifestIsAnError(t *testing.T) {
	deep := strings.Repeat(`{"apiVersion":"v1","kind":"List","items":[`, maxNesting+2) + strings.Repeat(`]}`, maxNesting+2)
	for what, c := range map[string]struct{ text, want string }{
		"broken YAML":    {"kind: Service\n---\na: [", "input: document 2: "},
		"a scalar":       {"hello", "not an object of Kubernetes"},
		"no kind":        {"a: 1", "it has no kind"},
		"YAML 1.1's no":  {"kind: Service\nmetadata: {namespace: n}", "metadata.namespace cannot be a bool"},
		"no name":        {"apiVersion: v1\nkind: Service", "a Service has no name"},
		"lists of lists": {deep, "nested"},
	} {
		_, err := Read("input", strings.NewReader(c.text), &object.Set{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
}

// endless is an input that has no end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '\n'
	}
	return len(p), nil
}

func TestAnInputWithoutEndIsRefused(t *testing.T) {
	if _, err := readUpTo(1<<10, "input", endless{}, &object.Set{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v", err)
	}
}

func TestStringDataIsMergedIntoData(t *testing.T) {
	set, _ := readText(t, `
apiVersion: v1
kind: Secret
metadata: {name: s}
data: {a: b25l, b: dHdv}
stringData: {b: three}
`)
	FillDefaults(set)
	secret, _ := object.Get[*core.Secret](set, "Secret", "default", "s")
	if string(secret.Data["a"]) != "one" || string(secret.Data["b"]) != "three" || secret.StringData != nil {
		t.Errorf("%v", secret)
	}
}

func TestDefaultsAreThoseOfAnAPIServer(t *testing.T) {
	set, _ := readText(t, `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  parentRefs: [{name: g}]
  rules:
  - backendRefs: [{name: s, port: 80}]
  - matches: [{headers: [{name: a, value: b}], queryParams: [{name: a, value: b}]}]
    filters: [{type: RequestRedirect, requestRedirect: {hostname: h}}]
    backendRefs: [{name: s, port: 80, weight: 0}]
`)
	FillDefaults(set)
	FillDefaults(set) // changes nothing more
	r, _ := object.Get[*gateway.HTTPRoute](set, "HTTPRoute", "default", "r")
	first, second := r.Spec.Rules[0], r.Spec.Rules[1]
	ref := first.BackendRefs[0]
	if *ref.Kind != "Service" || *ref.Group != "" || *ref.Weight != 1 || *second.BackendRefs[0].Weight != 0 {
		t.Errorf("backends %+v and %+v", ref, second.BackendRefs[0])
	}
	if len(first.Matches) != 1 || *first.Matches[0].Path.Type != gateway.PathMatchPathPrefix || *second.Matches[0].Path.Value != "/" {
		t.Errorf("matches %+v and %+v", first.Matches, second.Matches)
	}
	if m := second.Matches[0]; *m.Headers[0].Type != gateway.HeaderMatchExact || *m.QueryParams[0].Type != gateway.QueryParamMatchExact {
		t.Errorf("match %+v", m)
	}
	if *second.Filters[0].RequestRedirect.StatusCode != 302 || *r.Spec.ParentRefs[0].Kind != "Gateway" {
		t.Errorf("filters %+v, parents %+v", second.Filters, r.Spec.ParentRefs)
	}
}
