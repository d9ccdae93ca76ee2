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

// Configuration asks what the gateway serves, in Kong's flattened YAML, with every secret that is in it (fact F8): it goes to nobody who
// may not read the configuration. A Kong with 10,000 services takes some 11 s for the answer, on one of its workers, so it is asked for as
// rarely as can be. No error holds content.
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
