package gateway

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// against returns a client of a simulated gateway.
func against(t *testing.T, o kongtest.Options) (*Gateway, *kongtest.Gateway) {
	t.Helper()
	kong := kongtest.Start(t, kongtest.With(o))
	g, err := New(Options{Admin: kong.AdminURL(), Proxy: kong.ProxyURL(), Status: kong.StatusURL(), LoadTimeout: time.Minute,
		ProofTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g, kong
}

func schemaDir(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSchemasOfEverythingTheGatewayKnows(t *testing.T) {
	const routes, keyAuth, env = `{"fields":[{"paths":{"type":"array"}}]}`, `{"fields":[{"config":{"type":"record"}}]}`, `{"fields":[]}`
	g, _ := against(t, kongtest.Options{
		Plugins: []string{"key-auth", "pre-function"}, // the second without a schema
		SchemaDir: schemaDir(t, map[string]string{
			"entities/routes.json": routes, "plugins/key-auth.json": keyAuth, "plugins/cors.json": "{}", "vaults/env.json": env,
		}),
	})
	got, err := g.Schemas(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Entities) != 1 || string(got.Entities["routes"]) != routes {
		t.Errorf("entities: %s", got.Entities)
	}
	if len(got.Plugins) != 1 || string(got.Plugins["key-auth"]) != keyAuth {
		t.Errorf("plugins, of which only the available ones count: %s", got.Plugins)
	}
	if len(got.Vaults) != 1 || string(got.Vaults["env"]) != env {
		t.Errorf("vaults: %s", got.Vaults)
	}
}

func TestSchemasThatCannotBeRead(t *testing.T) {
	g, _ := against(t, kongtest.Options{})
	if got, err := g.Schemas(t.Context()); !errors.Is(err, ErrNoSchemas) {
		t.Errorf("a gateway without any schema: %v", got)
	}
	for name, answer := range map[string]http.HandlerFunc{
		"an error page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", htmlType)
			w.WriteHeader(http.StatusBadGateway)
		},
		"half a body": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", jsonType)
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte(`{"fields":`))
			panic(http.ErrAbortHandler)
		},
		"no JSON": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", jsonType)
			_, _ = w.Write([]byte("{"))
		},
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", jsonType)
			_, _ = w.Write([]byte(`"` + strings.Repeat("x", maxSchema) + `"`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/" {
					w.Header().Set("Content-Type", jsonType)
					_, _ = w.Write([]byte(`{"version":"3.9.3"}`))
					return
				}
				answer(w, r)
			})
			if got, err := g.Schemas(t.Context()); err == nil {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestSchemasEndWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	g := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		if r.URL.Path != "/" {
			if asked++; asked == 3 {
				cancel()
				<-r.Context().Done()
				return
			}
		}
		_, _ = w.Write([]byte(`{"version":"3.9.3"}`))
	})
	if _, err := g.Schemas(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if asked != 3 {
		t.Errorf("%d schemas were asked for", asked)
	}
}
