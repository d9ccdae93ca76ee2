package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kong/schema"
)

// Schemas holds the answers to GET /schemas/... for the entities, plugins and vaults of a gateway, by name. They are JSON as sent. The
// order of keys differs from one start of the gateway to the next. They hold nothing of a configuration.
type Schemas struct {
	Entities map[string]json.RawMessage // by plural kind, such as "routes"
	Plugins  map[string]json.RawMessage
	Vaults   map[string]json.RawMessage
}

// ErrNoSchemas means that the gateway answers and has no schema of routes, and so none at all.
var ErrNoSchemas = errors.New("read the schemas: the gateway has none")

const (
	maxSchema  = 1 << 20  // bytes of one schema; Kong's largest has about 100 KB
	maxSchemas = 16 << 20 // bytes of all
)

// Schemas reads all schemas of the gateway, one after the other, in about 80 requests. It leaves out those that the gateway does not
// know. Any other failure is an error.
func (g *Gateway) Schemas(ctx context.Context) (Schemas, error) {
	c, err := g.Capabilities(ctx)
	if err != nil {
		return Schemas{}, err
	}
	vaults := c.Vaults
	if len(vaults) == 0 {
		vaults = []string{"env"} // every gateway has it
	}
	// Every Kong has routes. Without their schema there are no others.
	if text, err := g.schema(ctx, "/schemas/routes"); err != nil {
		return Schemas{}, fmt.Errorf("read the schema /schemas/routes: %w", err)
	} else if text == nil {
		return Schemas{}, ErrNoSchemas
	}
	s := Schemas{Entities: map[string]json.RawMessage{}, Plugins: map[string]json.RawMessage{}, Vaults: map[string]json.RawMessage{}}
	total := 0
	for _, part := range []struct {
		path  string
		names []string
		into  map[string]json.RawMessage
	}{
		{"/schemas/", schema.Kinds(), s.Entities},
		{"/schemas/plugins/", slices.Sorted(maps.Keys(c.Plugins)), s.Plugins},
		{"/schemas/vaults/", vaults, s.Vaults},
	} {
		for _, name := range part.names {
			text, err := g.schema(ctx, part.path+url.PathEscape(name))
			if err != nil {
				return Schemas{}, fmt.Errorf("read the schema %s%s: %w", part.path, name, err)
			}
			if text == nil {
				continue
			}
			if total += len(text); total > maxSchemas {
				return Schemas{}, fmt.Errorf("read the schemas: they take more than %d bytes", maxSchemas)
			}
			part.into[name] = text
		}
	}
	return s, nil
}

// schema returns nil for a schema that the gateway does not know.
func (g *Gateway) schema(ctx context.Context, path string) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	resp, err := g.admin.open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	defer drain(resp.Body)
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return nil, nil
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the gateway answered %d", resp.StatusCode)
	case !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json"):
		return nil, errors.New("the answer is not JSON")
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxSchema+1))
	switch {
	case err != nil:
		return nil, errors.New("the gateway broke off its answer")
	case len(text) > maxSchema:
		return nil, fmt.Errorf("it takes more than %d bytes", maxSchema)
	case !json.Valid(text):
		return nil, errors.New("the answer is not JSON")
	}
	return text, nil
}
