// Package bundles reads what a gateway shows under /schemas, as an agent does, for tests and measurements that have no agent.
package bundles

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/silverback-gateway/silverback/kong/schema"
)

// Read asks a gateway for all of its schemas over its Admin API. What it does not know is left out.
func Read(ctx context.Context, admin string) (schema.Texts, error) {
	texts := schema.Texts{Entities: map[string]json.RawMessage{}, Plugins: map[string]json.RawMessage{}}
	var root struct {
		Version string
		Plugins struct {
			Available map[string]any `json:"available_on_server"`
		}
	}
	body, err := get(ctx, admin+"/")
	if err == nil {
		err = json.Unmarshal(body, &root)
	}
	if err != nil {
		return texts, fmt.Errorf("ask the gateway what it is: %w", err)
	}
	texts.KongVersion = root.Version
	read := func(path, name string, into map[string]json.RawMessage) error {
		body, err := get(ctx, admin+path+url.PathEscape(name))
		if body != nil {
			into[name] = body
		}
		return err
	}
	for _, kind := range schema.Kinds() {
		if err := read("/schemas/", kind, texts.Entities); err != nil {
			return texts, err
		}
	}
	for name := range root.Plugins.Available {
		if err := read("/schemas/plugins/", name, texts.Plugins); err != nil {
			return texts, err
		}
	}
	return texts, nil
}

// get returns nothing for what the gateway does not know.
func get(ctx context.Context, at string) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, at, http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, schema.MaxSize))
	switch {
	case err != nil:
		return nil, err
	case answer.StatusCode == http.StatusNotFound:
		return nil, nil
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("read %s: the gateway answered %d", q.URL.Path, answer.StatusCode)
	}
	return body, nil
}
