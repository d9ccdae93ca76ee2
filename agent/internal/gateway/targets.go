package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/kong/target"
)

// TargetHealth is what the Admin API says of a target.
type TargetHealth struct {
	Health     string // HEALTHY, UNHEALTHY, HEALTHCHECKS_OFF or DNS_ERROR
	Weightless bool   // Kong sends it nothing
}

// healthPages bounds the pages of one upstream that are read.
const healthPages = 10

// SetTargetHealth sets the health of a target for all workers, as far as they hear of it in time (fact F46). It returns
// target.ErrNoTarget, target.ErrNoChecks, or an error that says why the gateway did not do it. That it did is no proof: see TargetHealth.
func (g *Gateway) SetTargetHealth(ctx context.Context, n target.Name, healthy bool) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	word := "unhealthy"
	if healthy {
		word = "healthy"
	}
	path := fmt.Sprintf("/upstreams/%s/targets/%s/%s", url.PathEscape(n.Upstream), url.PathEscape(n.Target), word)
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, g.admin.base+path, http.NoBody)
	if err != nil {
		return errors.New("the URL is not valid")
	}
	resp, err := g.admin.client.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	defer func() { _ = resp.Body.Close() }()
	defer drain(resp.Body)
	switch resp.StatusCode {
	case http.StatusNoContent, http.StatusOK:
		return nil
	case http.StatusNotFound:
		return target.ErrNoTarget
	case http.StatusBadRequest:
		return target.ErrNoChecks // "no healthchecker found for ..." is the only one
	}
	return fmt.Errorf("the Admin API answers %d", resp.StatusCode)
}

// TargetHealth returns the health of the targets of an upstream, by target, as one worker sees it. It returns target.ErrNoUpstream.
func (g *Gateway) TargetHealth(ctx context.Context, upstream string) (map[string]TargetHealth, error) {
	all := map[string]TargetHealth{}
	path := "/upstreams/" + url.PathEscape(upstream) + "/health?size=1000"
	next := path
	for range healthPages {
		var page struct {
			Data []struct {
				Target string   `json:"target"`
				Health string   `json:"health"`
				Weight *float64 `json:"weight"`
			} `json:"data"`
			Offset string `json:"offset"`
		}
		if err := g.read(ctx, next, &page); err != nil {
			return nil, err
		}
		for _, d := range page.Data {
			name, err := target.Normal(d.Target)
			if err == nil {
				all[name] = TargetHealth{Health: d.Health, Weightless: d.Weight != nil && *d.Weight == 0}
			}
		}
		if page.Offset == "" {
			break
		}
		next = path + "&offset=" + url.QueryEscape(page.Offset)
	}
	return all, nil
}

// Revives returns how long the active checks of an upstream take to bring back a target that answers them; 0 means that they do not. It
// returns target.ErrNoUpstream.
func (g *Gateway) Revives(ctx context.Context, upstream string) (time.Duration, error) {
	var entity struct {
		HealthChecks json.RawMessage `json:"healthchecks"`
	}
	if err := g.read(ctx, "/upstreams/"+url.PathEscape(upstream), &entity); err != nil {
		return 0, err
	}
	return target.Revives(entity.HealthChecks), nil
}

// read reads what is below an upstream.
func (g *Gateway) read(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	code, err := g.admin.get(ctx, path, into)
	switch {
	case err != nil:
		return err
	case code == http.StatusNotFound:
		return target.ErrNoUpstream
	case code != http.StatusOK:
		path, _, _ = strings.Cut(path, "?")
		return fmt.Errorf("GET %s answers %d", path, code)
	}
	return nil
}
