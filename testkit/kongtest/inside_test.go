package kongtest

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/proof"
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
		doc, err := parseText(text)
		if err != nil {
			t.Fatal(err)
		}
		l, err := newLoader().load(doc, false)
		if err != nil {
			t.Fatal(err)
		}
		for client, want := range map[string]int{"127.0.0.1:9": 200, "[::1]:9": 200, "10.1.2.3:9": 404, "[2001:db8::1]:9": 404} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, proof.Path, nil)
			r.Host, r.RemoteAddr = proof.Host, client
			r.Header.Set(proof.Header, proof.HeaderValue)
			rule, _ := l.router.match(askedOf(r))
			if rule == nil {
				t.Fatal("no route matched")
			}
			w := httptest.NewRecorder()
			done := false
			for _, p := range l.router.running(rule.route) {
				done = done || p.run(w, r, &turn{worker: 0, workers: 1})
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

// TestAGoneProcessLoadsNothing: what a killed gateway had half done must not
// come into force in the one that was started after it.
func TestAGoneProcessLoadsNothing(t *testing.T) {
	g := Start(t)
	gone := g.process()
	g.Kill()
	if err := g.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := g.parse(posted{text: manyRoutes(1)}, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.install(l, nil, gone); !errors.Is(err, errNotRunning) || g.Hash() != emptyHash {
		t.Errorf("got %v, hash %s", err, g.Hash())
	}
}
