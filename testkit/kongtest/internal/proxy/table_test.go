package proxy

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/proof"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/check"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/declarative"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/document"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/entity"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/request"
)

// TestTheReservedRouteAnswersLoopbackOnly asks as a client from elsewhere, which
// listeners on loopback alone can never show.
func TestTheReservedRouteAnswersLoopbackOnly(t *testing.T) {
	digest := fleet.DigestOf([]byte("x"))
	for _, form := range []proof.Form{proof.Worker, proof.Route} {
		text, err := proof.Insert([]byte("{\"_format_version\":\"3.0\"}\n"), digest, form, proof.Options{})
		if err != nil {
			t.Fatal(err)
		}
		doc, err := document.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		loader := declarative.Loader{Checker: check.Checker{
			Kinds: entity.NewKinds(), Plugins: map[string]bool{"pre-function": true, "request-termination": true, "ip-restriction": true},
			Flavor: "traditional_compatible",
		}}
		_, set, err := loader.Load(doc, false)
		if err != nil {
			t.Fatal(err)
		}
		table := Compile(set, "traditional_compatible", true)
		for client, want := range map[string]int{"127.0.0.1:9": 200, "[::1]:9": 200, "10.1.2.3:9": 404, "[2001:db8::1]:9": 404} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, proof.Path, nil)
			r.Host, r.RemoteAddr = proof.Host, client
			r.Header.Set(proof.Header, proof.HeaderValue)
			rule, _ := table.Match(request.Of(r))
			if rule == nil {
				t.Fatal("no route matched")
			}
			w := httptest.NewRecorder()
			done := false
			for _, p := range table.running(rule.Route) {
				done = done || p.run != nil && p.run(w, r, &turn{worker: 0, workers: 1})
			}
			if !done || w.Code != want {
				t.Errorf("%v, client %s: got %d %s, want %d", form, client, w.Code, w.Body, want)
			}
			if want == 404 && !strings.Contains(w.Body.String(), "no Route matched with those values") {
				t.Errorf("%v, client %s: got %s", form, client, w.Body)
			}
		}
	}
}
