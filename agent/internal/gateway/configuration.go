package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/silverback-gateway/silverback/kong/inventory"
)

// Configuration reads what the gateway serves, as flattened YAML with all secrets (fact F8): pass it only to callers who may
// read the configuration. A Kong with 10,000 services takes about 11 s for it on one worker, so it is read as rarely as
// possible. Errors hold no content.
func (g *Gateway) Configuration(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, g.opts.LoadTimeout)
	defer cancel()
	resp, err := g.admin.open(ctx, "/config")
	if err != nil {
		return nil, fmt.Errorf("GET /config: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		drain(resp.Body)
		return nil, fmt.Errorf("GET /config answered %d", resp.StatusCode)
	}
	// Within JSON a line break takes two bytes, and a quote.
	body := &io.LimitedReader{R: resp.Body, N: 2*inventory.MaxText + 1}
	var answer struct {
		Config string `json:"config"`
	}
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		if body.N == 0 {
			return nil, fmt.Errorf("GET /config: the answer is larger than %d bytes", 2*inventory.MaxText)
		}
		return nil, errors.New("GET /config: the answer is not the expected JSON")
	}
	return []byte(answer.Config), nil
}
