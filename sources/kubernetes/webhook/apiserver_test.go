package webhook_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/silverback-gateway/silverback/kit/backoff"
	"github.com/silverback-gateway/silverback/kit/tlsfiles/tlstest"
	"github.com/silverback-gateway/silverback/sources/kubernetes/testkit/apiserver"
	"github.com/silverback-gateway/silverback/sources/kubernetes/webhook"
)

// real is a real API server that asks a webhook, with the configuration of deploy/k8s.
type real struct {
	*bench
	server   *apiserver.Server
	config   *rest.Config
	hook     *unstructured.Unstructured // the ValidatingWebhookConfiguration
	stop     func()                     // ends the webhook
	warnings *warned
}

// warned collects the warnings that the API server sends.
type warned struct {
	mu   sync.Mutex
	text []string
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *warned) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, text)
}

func (w *warned) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := strings.Join(w.text, "\n")
	w.text = nil
	return text
}

func startReal(t *testing.T) *real {
	t.Helper()
	r := &real{bench: newBench(t, shop, func(c *webhook.Config) { c.Fail, c.Timeout = webhook.FailOpen, 4*time.Second }), warnings: &warned{}}
	r.server = apiserver.New(t)
	r.config = r.server.Config()
	r.config.WarningHandler = r.warnings
	authority := tlstest.New(t)
	files := authority.IssueFor("webhook", "127.0.0.1")
	url, stop := serve(t, webhook.ServerConfig{CertFile: files.Cert, KeyFile: files.Key}, r.Reviewer)
	r.stop = stop
	t.Cleanup(stop)

	folder := filepath.Join("..", "..", "..", "deploy", "k8s", "kubernetes-source", "webhook")
	text, err := os.ReadFile(filepath.Join(folder, "validatingwebhookconfiguration.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	r.hook = &unstructured.Unstructured{}
	if err := yaml.Unmarshal(text, &r.hook.Object); err != nil {
		t.Fatal(err)
	}
	bundle, err := os.ReadFile(files.CA)
	if err != nil {
		t.Fatal(err)
	}
	r.each(t, func(hook map[string]any) {
		hook["clientConfig"] = map[string]any{"url": url, "caBundle": base64.StdEncoding.EncodeToString(bundle)}
	})
	if err := r.apply(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}"); err != nil {
		t.Fatal(err)
	}
	r.configure(t)
	return r
}

// each changes every webhook of the configuration.
func (r *real) each(t *testing.T, change func(map[string]any)) {
	t.Helper()
	hooks, _, err := unstructured.NestedSlice(r.hook.Object, "webhooks")
	if err != nil || len(hooks) < 2 {
		t.Fatalf("%d webhooks, %v", len(hooks), err)
	}
	for _, hook := range hooks {
		change(hook.(map[string]any))
	}
	if err := unstructured.SetNestedSlice(r.hook.Object, hooks, "webhooks"); err != nil {
		t.Fatal(err)
	}
}

func (r *real) configure(t *testing.T) {
	t.Helper()
	text, err := yaml.Marshal(r.hook.Object)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.apply(t, string(text)); err != nil {
		t.Fatal(err)
	}
}

func (r *real) apply(t *testing.T, manifests string) error {
	t.Helper()
	return apiserver.Apply(t.Context(), r.config, []byte(manifests))
}

// until applies manifests until what comes of it is as wanted: a configuration of webhooks takes a moment to be in force.
func (r *real) until(t *testing.T, manifests string, wanted func(error) bool) error {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("nothing of the kind came within a minute"))
	defer cancel()
	for {
		err := r.apply(t, manifests)
		if wanted(err) {
			return err
		}
		if backoff.Sleep(ctx, 100*time.Millisecond) != nil {
			t.Fatalf("%v; the last answer: %v", context.Cause(ctx), err)
		}
	}
}

func refused(err error) bool { return err != nil }
func stored(err error) bool  { return err == nil }

// TestARealAPIServerAsks has the objects that an API server asks about, what it says of the answers, and what it does without any.
func TestARealAPIServerAsks(t *testing.T) {
	r := startReal(t)
	err := r.until(t, pluginOf("first", "abc"), refused)
	for _, word := range []string{"objects.kubernetes.silverback-gateway.io", "KongPlugin/web/first", "config.minute", "number"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the refusal does not say %q: %v", word, err)
		}
	}
	const credential = "apiVersion: v1\nkind: Secret\nmetadata: {name: k, namespace: web, labels: {konghq.com/credential: key-auth}}\n"
	for what, c := range map[string]struct {
		manifests, refused, warned string
	}{
		"a good plugin":          {pluginOf("good", "5"), "", ""},
		"a namespace left alone": {strings.Replace(pluginOf("other", "abc"), "namespace: web", "namespace: kube-system", 1), "", ""},
		"an Ingress before its Service": {strings.Replace(ingressOf(1, "x"), "limit", "good", 1), "",
			"there is no Service web/app-1"},
		"an Ingress of another class": {strings.Replace(ingressOf(2, "x"), `"kong"`, `"other"`, 1), "", ""},
		"a credential without its key": {
			strings.Replace(credential, "name: k,", "name: keyless,", 1) + "stringData: {kye: sesame-open}",
			"it has no key", "",
		},
		"a credential": {
			credential + "stringData: {key: sesame-bob}",
			"", "",
		},
		"a kind refused by name": {
			"apiVersion: configuration.konghq.com/v1beta1\nkind: TCPIngress\nmetadata: {name: x, namespace: web}\nspec: {rules: [{port: 9000, " +
				"backend: {serviceName: cart, servicePort: 80}}]}", "use a TCPRoute", "",
		},
	} {
		r.warnings.take()
		err := r.apply(t, c.manifests)
		said := r.warnings.take()
		if (err != nil) != (c.refused != "") || err != nil && !strings.Contains(err.Error(), c.refused) || !strings.Contains(said, c.warned) {
			t.Errorf("%s: %v, warnings %q", what, err, said)
		}
		if strings.Contains(fmt.Sprint(err, said), "sesame") {
			t.Errorf("%s: a value of a Secret is in what is said: %v, %s", what, err, said)
		}
	}
	t.Run("a change", func(t *testing.T) {
		if err := r.apply(t, pluginOf("good", "abc")); err == nil || !strings.Contains(err.Error(), "KongPlugin/web/good") {
			t.Errorf("a plugin that becomes wrong: %v", err)
		}
	})
	t.Run("only what concerns Kong is asked about", r.asksLittle)
	t.Run("a translator that is down", r.withoutTranslator)
	t.Run("a webhook that is down", r.withoutWebhook)
}

// asksLittle counts the reviews of objects that mean nothing to a gateway.
func (r *real) asksLittle(t *testing.T) {
	reviews := func() (n float64) {
		for _, outcome := range []string{"admitted", "refused", "failed_open", "failed_closed"} {
			n += r.count(t, outcome)
		}
		return n
	}
	before := reviews()
	if err := r.apply(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: plain, namespace: web}\ndata: {a: YQ==}"); err != nil {
		t.Error(err)
	}
	if err := r.apply(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain, namespace: web}\ndata: {a: b}"); err != nil {
		t.Error(err)
	}
	if asked := reviews() - before; asked != 0 {
		t.Errorf("%v reviews of objects without a label of Kong", asked)
	}
	if err := r.apply(t, cart); err != nil {
		t.Error(err)
	}
	if err := apiserver.Delete(t.Context(), r.config, []byte(cart)); err != nil {
		t.Error(err)
	}
	if asked := reviews() - before; asked < 2 {
		t.Errorf("%v reviews of a Service that is made and deleted", asked)
	}
}

// withoutTranslator fails open: the object is stored, and its author is told.
func (r *real) withoutTranslator(t *testing.T) {
	r.translator.err = errors.New("down")
	defer func() { r.translator.err = nil }()
	r.warnings.take()
	if err := r.apply(t, pluginOf("unchecked", "abc")); err != nil {
		t.Error(err)
	}
	if said := r.warnings.take(); !strings.Contains(said, "KongPlugin/web/unchecked was admitted without a whole review (--fail open)") {
		t.Errorf("the warning is %q", said)
	}
	r.Fail = webhook.FailClosed
	defer func() { r.Fail = webhook.FailOpen }()
	if err := r.apply(t, pluginOf("closed", "5")); err == nil || !strings.Contains(err.Error(), "--fail closed") {
		t.Errorf("a webhook that fails closed: %v", err)
	}
}

// withoutWebhook has nobody answer: failurePolicy decides.
func (r *real) withoutWebhook(t *testing.T) {
	r.stop()
	if err := r.apply(t, pluginOf("ignored", "abc")); err != nil {
		t.Errorf("failurePolicy Ignore: %v", err)
	}
	r.each(t, func(hook map[string]any) { hook["failurePolicy"] = "Fail" })
	r.configure(t)
	err := r.until(t, pluginOf("failed", "5"), refused)
	if !strings.Contains(err.Error(), "failed calling webhook") {
		t.Errorf("failurePolicy Fail: %v", err)
	}
	if err := r.until(t, strings.Replace(pluginOf("system", "5"), "namespace: web", "namespace: kube-system", 1), stored); err != nil {
		t.Errorf("kube-system waits for a webhook that is down: %v", err)
	}
}
