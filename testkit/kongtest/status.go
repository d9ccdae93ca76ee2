package kongtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (g *Gateway) serveStatus(w http.ResponseWriter, r *http.Request) {
	g.requests.Add(1)
	header := w.Header()
	header.Set("Server", g.serverToken())
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("X-Kong-Admin-Latency", "0")
	switch strings.TrimSuffix(r.URL.Path, "/") {
	case "/metrics":
		g.onlyGet(w, r, g.getMetrics)
	case "/status":
		g.onlyGet(w, r, g.getStatus)
	case "/status/ready":
		if !allowed(w, r, "GET, HEAD, OPTIONS, POST") {
			return
		}
		if r.Method == http.MethodPost {
			g.postReady(w, r)
			return
		}
		g.getReady(w)
	default:
		answer(w, http.StatusNotFound, message("Not found"))
	}
}

func (g *Gateway) getStatus(w http.ResponseWriter, r *http.Request) {
	unit := r.URL.Query().Get("unit")
	divisor, suffix := 1024.0*1024, "MiB"
	switch unit {
	case "", "m", "M":
	case "k", "K":
		divisor, suffix = 1024, "KiB"
	case "g", "G":
		divisor, suffix = 1024*1024*1024, "GiB"
	default:
		answer(w, http.StatusBadRequest, message(fmt.Sprintf("invalid unit '%s' (expected 'k/K', 'm/M', or 'g/G')", unit)))
		return
	}
	amount := func(bytes float64) string { return fmt.Sprintf("%.2f %s", bytes/divisor, suffix) }
	vms := make([]any, g.opts.Workers)
	for i, pid := range g.pids() {
		vms[i] = map[string]any{"pid": pid, "http_allocated_gc": amount(luaMemory)}
	}
	dict := map[string]any{"allocated_slabs": amount(1 << 20), "capacity": amount(128 << 20)}
	requests, accepted, active := g.requests.Load(), g.connected.accepted.Load(), g.connected.active.Load()
	answer(w, http.StatusOK, map[string]any{
		"database":           map[string]any{"reachable": true},
		"configuration_hash": g.Hash(),
		"memory": map[string]any{"workers_lua_vms": vms, "lua_shared_dicts": map[string]any{"kong": dict, "kong_db_cache": dict,
			"kong_core_db_cache": dict}},
		"server": map[string]any{
			"connections_accepted": accepted, "connections_handled": accepted, "connections_active": active,
			"connections_reading": 0, "connections_waiting": 0, "connections_writing": active, "total_requests": requests,
		},
	})
}

func (g *Gateway) getReady(w http.ResponseWriter) {
	g.mu.Lock()
	current, draining, unbuilt := g.current, g.draining, g.unbuilt
	g.mu.Unlock()
	status := http.StatusServiceUnavailable
	var text string
	switch {
	case draining:
		text = "draining"
	case unbuilt:
		text = fmt.Sprintf("router builds not yet complete, router ready in 0 of %d workers", g.opts.Workers)
	case current == nil || current.hash == emptyHash:
		text = "no configuration available (empty configuration present)"
	default:
		status, text = http.StatusOK, "ready"
	}
	answer(w, status, message(text))
}

// postReady starts draining. There is no way back but a restart (F32).
func (g *Gateway) postReady(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Status string `json:"status"`
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	if err != nil || json.Unmarshal(body, &asked) != nil || asked.Status != "draining" {
		w.Header().Set("Connection", "close")
		answerHTML(w, http.StatusBadRequest)
		return
	}
	g.mu.Lock()
	g.draining = true
	g.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func (g *Gateway) getRoot(w http.ResponseWriter, _ *http.Request) {
	version := g.kongVersion()
	available := map[string]any{}
	loadedPlugins := map[string]bool{}
	for name := range g.plugins {
		available[name] = map[string]any{"version": version, "priority": pluginPriorities()[name]}
		loadedPlugins[name] = true
	}
	plugins := any([]string{"bundled"})
	if g.opts.Plugins != nil {
		plugins = g.opts.Plugins
	}
	limit := strconv.FormatInt(max(g.opts.BodyLimit, 0), 10)
	if g.opts.BodyLimit == defaultBodyLimit {
		limit = "10m"
	}
	workers := strconv.Itoa(g.opts.Workers)
	configuration := map[string]any{
		"database": "off", "role": "traditional", "router_flavor": g.opts.RouterFlavor, "untrusted_lua": g.opts.UntrustedLua,
		"nginx_worker_processes": workers, "nginx_main_worker_processes": workers, "worker_consistency": "eventual",
		"worker_state_update_frequency":    5,
		"nginx_admin_client_max_body_size": limit, "plugins": plugins, "loaded_plugins": loadedPlugins,
		"vaults": []string{"bundled"}, "loaded_vaults": map[string]bool{"env": true},
		"prefix": "/usr/local/kong", "lmdb_environment_path": "dbless.lmdb", "lmdb_map_size": "2048m", "lmdb_validation_tag": minor(version),
		"admin_listen":  []string{g.address(adminListener)},
		"status_listen": []string{g.address(statusListener)},
		"proxy_listen":  []string{g.address(proxyListener)},
	}
	if g.opts.DeclarativeConfig != "" {
		configuration["declarative_config"] = g.opts.DeclarativeConfig
	}
	g.mu.Lock()
	id, inForce := g.nodeID, g.current
	g.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{
		"version": version, "edition": "community", "lua_version": "LuaJIT 2.1.0-20231117", "hostname": "kong-node",
		"tagline": Banner(), "node_id": id, "configuration": configuration,
		"plugins": map[string]any{"available_on_server": available, "enabled_in_cluster": pluginsInUse(inForce)},
		"pids":    map[string]any{"master": os.Getpid(), "workers": g.pids()},
		"timers":  map[string]any{"pending": 1, "running": 1},
	})
}

func pluginsInUse(l *loaded) []string {
	names := []string{}
	if l == nil {
		return names
	}
	for _, e := range l.entities["plugins"] {
		var p struct{ Name string }
		if json.Unmarshal(e.raw, &p) == nil && !slices.Contains(names, p.Name) {
			names = append(names, p.Name)
		}
	}
	return names
}

func (g *Gateway) getEnabledPlugins(w http.ResponseWriter, _ *http.Request) {
	names := []string{}
	for name := range g.plugins {
		names = append(names, name)
	}
	slices.Sort(names)
	answer(w, http.StatusOK, map[string]any{"enabled_plugins": names})
}

// pluginPriorities names the plugins that Kong 3.9.3 bundles, with the order in
// which they run.
func pluginPriorities() map[string]int {
	return map[string]int{
		"pre-function": 1000000, "correlation-id": 100001, "zipkin": 100000, "bot-detection": 2500, "cors": 2000, "session": 1900,
		"acme": 1705, "jwt": 1450, "oauth2": 1400, "key-auth": 1250, "ldap-auth": 1200, "basic-auth": 1100, "hmac-auth": 1030,
		"grpc-gateway": 998, "ip-restriction": 990, "request-size-limiting": 951, "acl": 950, "rate-limiting": 910,
		"response-ratelimiting": 900, "request-transformer": 801, "response-transformer": 800, "redirect": 779,
		"ai-request-transformer": 777, "ai-prompt-template": 773, "ai-prompt-decorator": 772, "ai-prompt-guard": 771, "ai-proxy": 770,
		"ai-response-transformer": 768, "standard-webhooks": 760, "aws-lambda": 750, "azure-functions": 749, "proxy-cache": 100,
		"opentelemetry": 14, "prometheus": 13, "http-log": 12, "statsd": 11, "datadog": 10, "file-log": 9, "udp-log": 8, "tcp-log": 7,
		"loggly": 6, "syslog": 4, "grpc-web": 3, "request-termination": 2, "post-function": -1000,
	}
}

func bundledPlugins() []string {
	var names []string
	for name := range pluginPriorities() {
		names = append(names, name)
	}
	return names
}

// wait reports whether the event came before the client or the gateway went.
func wait(r *http.Request, run, event <-chan struct{}) bool {
	select {
	case <-event:
		return true
	case <-r.Context().Done():
	case <-run:
	}
	return false
}

func after(d time.Duration) <-chan struct{} {
	done := make(chan struct{})
	time.AfterFunc(d, func() { close(done) })
	return done
}
