package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/declarative"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/reply"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/router"
)

// serveUpstream answers requests about the targets of an upstream. It returns false for other paths.
func (a *API) serveUpstream(w http.ResponseWriter, r *http.Request, upstream declarative.Entity, path []string) bool {
	balancer := a.gateway.Balancer()
	switch {
	case balancer == nil:
		return false
	case len(path) == 1 && path[0] == "health":
		if allowed(w, r, "GET, HEAD, OPTIONS") {
			a.getHealth(w, r, upstream, balancer.Health(upstream.ID))
		}
		return true
	case len(path) == 2 && path[0] == "targets" && path[1] == "all":
		a.onlyGet(w, r, func(w http.ResponseWriter, r *http.Request) {
			a.serveList(w, r, a.Kinds.ByName["targets"], a.targetsOf(upstream))
		})
		return true
	case len(path) == 3 && path[0] == "targets" && (path[2] == "healthy" || path[2] == "unhealthy"):
		if allowed(w, r, "OPTIONS, PUT") {
			setHealth(w, balancer, upstream.ID, path[1], path[2] == "healthy")
		}
		return true
	}
	return false
}

// setHealth answers as in F46: 204, and 404 for unknown targets. The recorded answer for an upstream without health checks is 400.
func setHealth(w http.ResponseWriter, b Balancer, upstreamID, named string, healthy bool) {
	switch err := b.SetHealth(upstreamID, named, healthy); {
	case errors.Is(err, router.ErrNoTarget):
		reply.JSON(w, http.StatusNotFound, reply.Message("Not found"))
	case err != nil:
		reply.JSON(w, http.StatusBadRequest, reply.Message(err.Error()))
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (a *API) targetsOf(upstream declarative.Entity) (all []declarative.Entity) {
	for _, e := range a.gateway.State().Configuration.Entities["targets"] {
		if refID(e, "upstream") == upstream.ID {
			all = append(all, e)
		}
	}
	return all
}

// getHealth pages through targets with their health. Pages are numbered by their first target, as Kong's are.
func (a *API) getHealth(w http.ResponseWriter, r *http.Request, upstream declarative.Entity, health []router.TargetHealth) {
	query := r.URL.Query()
	size, start := 100, 0
	if n, err := strconv.Atoi(query.Get("size")); err == nil && n >= 1 && n <= 1000 {
		size = n
	}
	if n, err := strconv.Atoi(query.Get("offset")); err == nil && n > 0 {
		start = min(n, len(health))
	}
	data := []map[string]any{}
	end := min(start+size, len(health))
	targets := a.targetsOf(upstream)
	for _, t := range health[start:end] {
		at := slices.IndexFunc(targets, func(e declarative.Entity) bool { return e.ID == t.ID })
		if at < 0 {
			continue // of the previous configuration
		}
		fields := map[string]any{}
		if json.Unmarshal(targets[at].Raw, &fields) != nil {
			continue
		}
		fields["target"], fields["health"], fields["weight"] = t.Address, t.Health, t.Weight
		data = append(data, fields)
	}
	body := map[string]any{"data": data, "next": nil, "node_id": a.gateway.State().NodeID}
	if end < len(health) {
		body["offset"] = strconv.Itoa(end)
		body["next"] = "/upstreams/" + upstream.Key + "/health?" + url.Values{"offset": {strconv.Itoa(end)}}.Encode()
	}
	reply.JSON(w, http.StatusOK, body)
}
