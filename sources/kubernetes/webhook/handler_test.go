package webhook_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	admission "k8s.io/api/admission/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/silverback-gateway/silverback/sources/kubernetes/webhook"
)

// post sends a review over HTTP.
func (b *bench) post(t *testing.T, body []byte) (int, admission.AdmissionReview) {
	t.Helper()
	w := httptest.NewRecorder()
	b.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, webhook.Path, bytes.NewReader(body)))
	var review admission.AdmissionReview
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &review); err != nil {
			t.Fatal(err)
		}
	}
	return w.Code, review
}

func body(t *testing.T, r *admission.AdmissionRequest) []byte {
	t.Helper()
	text, err := json.Marshal(admission.AdmissionReview{
		TypeMeta: meta.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: r,
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestAReviewOverHTTP(t *testing.T) {
	b := newBench(t, shop, nil)
	code, review := b.post(t, body(t, request(t, "", pluginOf("new", "abc"))))
	answer := review.Response
	if code != http.StatusOK || review.Kind != "AdmissionReview" || review.APIVersion != "admission.k8s.io/v1" || answer == nil {
		t.Fatalf("code %d, review %+v", code, review)
	}
	if answer.UID != "u-1" || answer.Allowed || answer.Result.Code != http.StatusUnprocessableEntity || answer.Patch != nil {
		t.Errorf("the answer is %+v", answer)
	}
	if n := b.count(t, "refused"); n != 1 {
		t.Errorf("the metric counts %v refusals", n)
	}
}

func TestWhatIsNoReviewIsRefused(t *testing.T) {
	b := newBench(t, shop, nil)
	large := body(t, request(t, "", pluginOf("new", "5")))
	large = append(large[:len(large)-1], `,"x":"`+strings.Repeat("a", 8<<20)+`"}`...)
	for what, c := range map[string]struct {
		body []byte
		code int
	}{
		"nothing":            {nil, http.StatusBadRequest},
		"no JSON":            {[]byte("a: b"), http.StatusBadRequest},
		"an older version":   {[]byte(`{"apiVersion": "admission.k8s.io/v1beta1", "request": {}}`), http.StatusBadRequest},
		"a review of nobody": {[]byte(`{"apiVersion": "admission.k8s.io/v1"}`), http.StatusBadRequest},
		"too much":           {large, http.StatusRequestEntityTooLarge},
	} {
		if code, _ := b.post(t, c.body); code != c.code {
			t.Errorf("%s: code %d, want %d", what, code, c.code)
		}
	}
}

// TestReviewsAreBounded has more reviews than turns, of which the first does not end: the others are answered in their time.
func TestReviewsAreBounded(t *testing.T) {
	b := newBench(t, shop, func(c *webhook.Config) { c.Reviews, c.Timeout = 1, 300*time.Millisecond })
	b.translator.wait = make(chan struct{})
	defer close(b.translator.wait)
	var all sync.WaitGroup
	began := time.Now()
	for i := range 5 {
		all.Go(func() {
			code, review := b.post(t, body(t, request(t, "", pluginOf(fmt.Sprintf("new-%d", i), "5"))))
			if code != http.StatusOK || review.Response.Allowed {
				t.Errorf("code %d, %+v", code, review.Response)
			}
		})
	}
	all.Wait()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the answers took %s", took)
	}
	if n := len(b.translator.calls()); n > 3 {
		t.Errorf("the translator was asked %d times", n)
	}
}

// TestMessagesAreBounded has a change with more problems than a message can hold.
func TestMessagesAreBounded(t *testing.T) {
	var manifests strings.Builder
	manifests.WriteString(shop)
	for i := range 30 {
		fmt.Fprintf(&manifests, "---\n%s\n", ingressOf(i, "x"))
	}
	b := newBench(t, manifests.String(), nil)
	answer := b.Review(t.Context(), request(t, pluginOf("limit", "5"), ""))
	if !answer.Allowed || len(answer.Warnings) != 11 || !strings.Contains(answer.Warnings[10], "more") {
		t.Errorf("%d warnings: %v", len(answer.Warnings), answer.Warnings)
	}
	for _, w := range answer.Warnings {
		if len(w) > 256 {
			t.Errorf("a warning has %d bytes", len(w))
		}
	}
}
