package translator_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/fault"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// bomb doubles at every level, a million million times in all.
func bomb() string {
	text := "_format_version: \"3.0\"\nx-a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
	for i := 1; i < 12; i++ {
		text += fmt.Sprintf("x-a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	return text + "services: *a11\n"
}

func TestHostileInputChangesNothing(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	r.mustSubmit(config("g", "one", services("a", "b", "c")))
	before := keys(t, p.etcd, "")
	junk := make([]byte, 1<<20)
	for i := range junk {
		junk[i] = byte(i * 7)
	}
	for name, test := range map[string]struct {
		content string
		class   fleetv1.Problem_Class
		says    string
	}{
		"over the limit":  {content: strings.Repeat("# padding\n", (65<<20)/10), class: fleetv1.Problem_CLASS_LIMIT, says: "67108864"},
		"empty":           {content: "", class: fleetv1.Problem_CLASS_EMPTY},
		"only comments":   {content: "# nothing\n# at all\n", class: fleetv1.Problem_CLASS_EMPTY},
		"only a mark":     {content: "---\n", class: fleetv1.Problem_CLASS_EMPTY},
		"binary junk":     {content: string(junk), class: fleetv1.Problem_CLASS_ENCODING},
		"a YAML bomb":     {content: bomb(), class: fleetv1.Problem_CLASS_LIMIT},
		"deep nesting":    {content: strings.Repeat("[", 1<<20), class: fleetv1.Problem_CLASS_LIMIT},
		"a cut off file":  {content: "{\"_format_version\": \"3.0\", \"services\": [{\"name\": \"a\"", class: fleetv1.Problem_CLASS_SYNTAX},
		"a scalar":        {content: "hello", class: fleetv1.Problem_CLASS_SYNTAX},
		"no such version": {content: "_format_version: \"9.9\"\nservices: []\n", class: fleetv1.Problem_CLASS_VERSION},
	} {
		t.Run(name, func(t *testing.T) {
			heap := allocated()
			q := config("g", "one", test.content)
			q.AllowShrink = true
			_, err := r.submit(q)
			used := allocated() - heap
			var e *fault.Error
			if e = wantKind(t, err, fault.Invalid); len(e.Problems) == 0 || e.Problems[0].GetClass() != test.class ||
				!strings.Contains(e.Message, test.says) {
				t.Errorf("refused with %v, problems %v", e, e.Problems)
			}
			// The documents themselves are held a few times on their way through both ends of a connection.
			if bound := uint64(100<<20 + 10*len(test.content)); used > bound {
				t.Errorf("took %d MiB", used>>20)
			}
		})
	}
	_, err := r.SubmitConfig(t.Context(), config("g", "one", strings.Repeat("# padding\n", (75<<20)/10)))
	if err == nil || !strings.Contains(err.Error(), "larger than max") {
		t.Errorf("a message that the transport refuses gave %v", err)
	}
	if _, err := r.SubmitConfig(t.Context(), &translatorv1.SubmitConfigRequest{Group: "g"}); err == nil {
		t.Error("no document at all was taken")
	}
	if after := keys(t, p.etcd, ""); after != before || r.head("g").GetNumber() != 1 {
		t.Errorf("%d keys before, %d after, head %v", before, after, r.head("g"))
	}
}

func wantKind(t *testing.T, err error, kind fault.Kind) *fault.Error {
	t.Helper()
	e, ok := fault.FromStatus(err).(*fault.Error) //nolint:errorlint // FromStatus wraps nothing
	if !ok || e.Kind != kind {
		t.Fatalf("got %v", err)
	}
	return e
}

// allocated is how many bytes this process ever took, so that a short peak counts too.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestARefusalSaysWhere(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	_, err := r.submit(&translatorv1.SubmitConfigRequest{Group: "g", Source: "one", Documents: []*translatorv1.Document{
		{Name: "good.yaml", Content: []byte(services("a"))},
		{Name: "bad.yaml", Content: []byte("_format_version: \"3.0\"\nroutes:\n- name: orders\n  pahts: [/orders]\n  service: nobody\n- name: " +
			"users\n  paths: /users\n")},
	}})
	e := wantFault(t, err, fault.Invalid, "INVALID_CONFIG")
	got := map[string]string{}
	for _, p := range e.Problems {
		got[p.GetField()] = fmt.Sprintf("%s:%d %s %s %s", p.GetDocument(), p.GetLine(), p.GetKind(), p.GetName(), p.GetClass())
	}
	want := map[string]string{
		"pahts": "bad.yaml:4 route orders CLASS_UNKNOWN_FIELD",
		"paths": "bad.yaml:7 route users CLASS_WRONG_TYPE",
	}
	for field, where := range want {
		if got[field] != where {
			t.Errorf("field %s: got %q, want %q", field, got[field], where)
		}
	}
	if !strings.Contains(e.Message, "bad.yaml:") || e.Metadata["problem_count"] != fmt.Sprint(len(e.Problems)) {
		t.Errorf("message %q, metadata %v", e.Message, e.Metadata)
	}
}

func TestASecretOfARefusedConfigurationStaysSecret(t *testing.T) {
	const secret = "hunter2-very-secret"
	p := startPlane(t, "g")
	r := p.replica(t)
	r.mustSubmit(config("g", "base", "_format_version: \"3.0\"\nconsumers:\n- username: ann\n  keyauth_credentials:\n  - key: "+secret+"\n"))
	for name, content := range map[string]string{
		"a credential of the wrong type": "consumers:\n- username: bob\n  basicauth_credentials:\n  - username: bob\n    password: [" +
			secret + "]\n",
		"a credential with a wrong field": "consumers:\n- username: bob\n  keyauth_credentials:\n  - key: " + secret + "\n    bogus: " +
			secret + "\n",
		"a key that another source has": "consumers:\n- username: bob\n  keyauth_credentials:\n  - key: " + secret + "\n",
		"a key that is there twice": "consumers:\n- username: bob\n  keyauth_credentials:\n  - key: " + secret + "2\n  - key: " + secret +
			"2\n",
		"a plugin with a wrong field":      "plugins:\n- name: session\n  config: {secret: " + secret + "}\n  enabled: " + secret + "\n",
		"a certificate of the wrong type":  "certificates:\n- cert: x\n  key: {a: " + secret + "}\n",
		"a secret in broken YAML":          "consumers:\n- username: bob\n  keyauth_credentials: [{key: \"" + secret + "}]\n",
		"a secret where a document starts": secret,
		"a URL with a password":            "services:\n- name: a\n  url: ftp://bob:" + secret + "@host/\n",
		"a template that was not replaced": "consumers:\n- username: bob\n  keyauth_credentials:\n  - key: \"${{ env \\\"DECK_X\\\" }}" +
			secret + "\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.SubmitConfig(t.Context(), config("g", "other", "_format_version: \"3.0\"\n"+content))
			if err == nil {
				t.Fatal("it was taken")
			}
			if text := fmt.Sprint(err, status.Convert(err).Details()); strings.Contains(text, "hunter2") {
				t.Errorf("the error tells it: %s", text)
			}
			answer, err := r.ValidateConfig(t.Context(), &translatorv1.ValidateConfigRequest{Group: "g", Source: "other",
				Documents: document("other.yaml", "_format_version: \"3.0\"\n"+content)})
			if err != nil || len(answer.GetProblems()) == 0 || strings.Contains(answer.String(), "hunter2") {
				t.Errorf("validate gave %v, %v", answer, err)
			}
		})
	}
	if r.logs.String() == "" || bytes.Contains([]byte(r.logs.String()), []byte("hunter2")) {
		t.Errorf("the log: %s", r.logs)
	}
}
