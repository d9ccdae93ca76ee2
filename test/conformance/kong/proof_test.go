package kong_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/proof"
)

// digest is what a test calls its snapshot.
func digest(mark byte) fleet.Digest {
	return fleet.Digest("sha256:" + strings.Repeat(string(mark), 64))
}

// canonical is a snapshot with lines of entities under a kind, or the empty one.
func canonical(kind string, entities ...string) []byte {
	if len(entities) == 0 {
		return []byte(nothing)
	}
	return []byte("{\"_format_version\":\"3.0\",\n\"" + kind + "\":[\n" + strings.Join(entities, ",\n") + "\n]}\n")
}

const keyAuth = `{"id":"33333333-3333-4333-8333-333333333333","name":"key-auth"}`

// usable reports whether a gateway runs the reserved route in a form (F41).
func (k *target) usable(t *testing.T, form proof.Form) bool {
	t.Helper()
	r := k.root(t)
	for _, name := range form.Plugins() {
		if _, there := r.Plugins.Available[name]; !there {
			return false
		}
	}
	return form != proof.Worker || r.Configuration.UntrustedLua != "off"
}

// give posts what an agent would: the snapshot with the reserved route.
func (k *target) give(t *testing.T, snapshot []byte, of fleet.Digest, form proof.Form, expressions bool) {
	t.Helper()
	posted, err := proof.Insert(snapshot, of, form, proof.Options{Expressions: expressions})
	if err != nil {
		t.Fatal(err)
	}
	k.load(t, string(posted))
	if got := k.hash(t); got != string(fleet.GatewayHashOf(posted)) {
		t.Errorf("the hash is %s, not the one foreseen", got)
	}
}

func (k *target) askReserved(t *testing.T) (reply, error) {
	t.Helper()
	return try(t, http.MethodGet, k.proxy+proof.Path, "", "Host", proof.Host, proof.Header, proof.HeaderValue)
}

// proven waits until the reserved route has answered with a digest: from each worker, when the form tells them apart.
func (k *target) proven(t *testing.T, want fleet.Digest) (workers int) {
	t.Helper()
	seen := map[int]bool{}
	eventually(t, "every worker answers with the digest", func() error {
		for range 64 {
			got, err := k.askReserved(t)
			if err != nil {
				return err
			}
			answer, err := proof.ParseAnswer(got.body)
			if err != nil || got.code != http.StatusOK {
				return fmt.Errorf("%s: %w", got, err)
			}
			if answer.Digest != want {
				return fmt.Errorf("it answers with %s", answer.Digest)
			}
			seen[answer.Worker], workers = true, answer.Workers
			if len(seen) >= answer.Workers {
				return nil
			}
		}
		return fmt.Errorf("%d workers of %d answered", len(seen), workers)
	})
	return workers
}

func (k *target) expressions(t *testing.T) bool {
	t.Helper()
	return k.root(t).Configuration.RouterFlavor == "expressions"
}

func TestF39_TheReservedRouteAnswersBeforeEveryPluginAndNamesWorkers(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		if !k.usable(t, proof.Worker) {
			return // F41 says what happens then
		}
		for _, mark := range []byte("ab") {
			k.give(t, canonical("plugins", keyAuth), digest(mark), proof.Worker, k.expressions(t))
			workers := k.proven(t, digest(mark))
			if said := len(k.root(t).PIDs.Workers); said > 0 && said != workers {
				t.Errorf("the answers say %d workers, GET / says %d", workers, said)
			}
		}
		for _, header := range [][]string{nil, {proof.Header, proof.HeaderValue}} {
			if got := get(t, k.proxy+proof.Path, header...); got.code == http.StatusOK {
				t.Errorf("with %v it answers too: %s", header, got)
			}
		}
	})
}

func TestF40_RequestTerminationProvesTheRouteAfterGlobalAuthentication(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		k.give(t, canonical(""), digest('a'), proof.Route, k.expressions(t))
		if workers := k.proven(t, digest('a')); workers != 0 {
			t.Errorf("it names %d workers", workers)
		}
		k.give(t, canonical("plugins", keyAuth), digest('b'), proof.Route, k.expressions(t))
		eventually(t, "key-auth comes first", func() error {
			got, err := k.askReserved(t)
			if err == nil && got.code != http.StatusUnauthorized {
				err = fmt.Errorf("%s", got)
			}
			return err
		})
	})
}

func TestF41_RootTellsWhichProofIsToBeHad(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		r := k.root(t)
		c := r.Configuration
		if r.Version == "" || r.NodeID == "" || c.Database != "off" || len(c.Workers) == 0 || len(r.Plugins.Available) == 0 {
			t.Errorf("got %+v", r)
		}
		bytesOf(t, c.BodyLimit)
		for value, of := range map[string][]string{
			c.RouterFlavor: {"traditional", "traditional_compatible", "expressions"}, c.UntrustedLua: {"off", "sandbox", "on", "lax", "strict"},
		} {
			if !strings.Contains(" "+strings.Join(of, " ")+" ", " "+value+" ") {
				t.Errorf("%q is not one of %v", value, of)
			}
		}
		if r := k.refused(t, `{"_format_version":"3.0","plugins":[{"name":"no-such-plugin"}]}`); !r.says(t, "plugin", "name",
			"plugin 'no-such-plugin' not enabled; add it to the 'plugins' configuration property") {
			t.Errorf("got %s", r.Flattened)
		}
		if _, there := r.Plugins.Available["pre-function"]; there && c.UntrustedLua == "off" {
			k.give(t, canonical("routes", strings.Replace(ending("other", `"paths":["/other"]`), `{"name"`,
				`{"id":"00000000-0000-4000-8000-000000000001","name"`, 1)), digest('a'), proof.Worker, k.expressions(t))
			k.served(t, "/other", 200, "other")
			if got, err := k.askReserved(t); err == nil && got.code == http.StatusOK {
				t.Errorf("Lua that is off answers: %s", got)
			}
		}
	})
}

func TestF42_TheReservedRouteWinsInEveryFlavor(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		form := proof.Worker
		if !k.usable(t, form) {
			form = proof.Route
		}
		greedy := []string{
			ending("catch-all", `"paths":["/"]`),
			ending("host", `"hosts":["silverback.internal"],"paths":["/"]`),
			ending("wildcard", `"hosts":["*.internal"],"methods":["GET"],"paths":["/.well-known"]`),
			ending("regex", `"hosts":["*.internal"],"methods":["GET"],"paths":["~/.*"],"regex_priority":1000`),
		}
		if k.expressions(t) {
			greedy = []string{ending("greedy", `"expression":"http.path ^= \"/\"","priority":1000`)}
			k.give(t, canonical("routes", greedy...), digest('a'), form, false)
			eventually(t, "an expression takes the requests of a route with plain fields", func() error {
				got, err := k.askReserved(t)
				if err == nil && got.message() != "greedy" {
					err = fmt.Errorf("%s", got)
				}
				return err
			})
		}
		k.give(t, canonical("routes", greedy...), digest('b'), form, k.expressions(t))
		k.proven(t, digest('b'))
		if got := get(t, k.proxy+"/else", "Host", proof.Host); got.code != http.StatusOK || got.message() == "" {
			t.Errorf("the user's own routes for that host: %s", got)
		}
	})
}
