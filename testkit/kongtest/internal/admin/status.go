package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/declarative"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/reply"
)

// ServeStatus serves the Status API.
func (a *API) ServeStatus(w http.ResponseWriter, r *http.Request) {
	a.traffic.Requests.Add(1)
	header := w.Header()
	header.Set("Server", ServerToken(a.gateway.State().Version))
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("X-Kong-Admin-Latency", "0")
	switch strings.TrimSuffix(r.URL.Path, "/") {
	case "/metrics":
		a.onlyGet(w, r, a.getMetrics)
	case "/status":
		a.onlyGet(w, r, a.getStatus)
	case "/status/ready":
		if !allowed(w, r, "GET, HEAD, OPTIONS, POST") {
			return
		}
		if r.Method == http.MethodPost {
			a.postReady(w, r)
			return
		}
		a.getReady(w)
	default:
		reply.JSON(w, http.StatusNotFound, reply.Message("Not found"))
	}
}

func (a *API) getStatus(w http.ResponseWriter, r *http.Request) {
	unit := r.URL.Query().Get("unit")
	divisor, suffix := 1024.0*1024, "MiB"
	switch unit {
	case "", "m", "M":
	case "k", "K":
		divisor, suffix = 1024, "KiB"
	case "g", "G":
		divisor, suffix = 1024*1024*1024, "GiB"
	default:
		reply.JSON(w, http.StatusBadRequest, reply.Message(fmt.Sprintf("invalid unit '%s' (expected 'k/K', 'm/M', or 'g/G')", unit)))
		return
	}
	amount := func(bytes float64) string { return fmt.Sprintf("%.2f %s", bytes/divisor, suffix) }
	state := a.gateway.State()
	vms := make([]any, len(state.PIDs))
	for i, pid := range state.PIDs {
		vms[i] = map[string]any{"pid": pid, "http_allocated_gc": amount(luaMemory)}
	}
	dict := map[string]any{"allocated_slabs": amount(1 << 20), "capacity": amount(128 << 20)}
	requests, accepted, active := a.traffic.Requests.Load(), a.traffic.Accepted.Load(), a.traffic.Active.Load()
	reply.JSON(w, http.StatusOK, map[string]any{
		"database":           map[string]any{"reachable": true},
		"configuration_hash": state.Hash(),
		"memory": map[string]any{"workers_lua_vms": vms, "lua_shared_dicts": map[string]any{"kong": dict, "kong_db_cache": dict,
			"kong_core_db_cache": dict}},
		"server": map[string]any{
			"connections_accepted": accepted, "connections_handled": accepted, "connections_active": active,
			"connections_reading": 0, "connections_waiting": 0, "connections_writing": active, "total_requests": requests,
		},
	})
}

func (a *API) getReady(w http.ResponseWriter) {
	state := a.gateway.State()
	status := http.StatusServiceUnavailable
	var text string
	switch {
	case state.Draining:
		text = "draining"
	case state.Unbuilt:
		text = fmt.Sprintf("router builds not yet complete, router ready in 0 of %d workers", a.Workers)
	case state.Hash() == declarative.EmptyHash:
		text = "no configuration available (empty configuration present)"
	default:
		status, text = http.StatusOK, "ready"
	}
	reply.JSON(w, status, reply.Message(text))
}

// postReady starts draining. Only a restart ends it (F32).
func (a *API) postReady(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Status string `json:"status"`
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	if err != nil || json.Unmarshal(body, &request) != nil || request.Status != "draining" {
		w.Header().Set("Connection", "close")
		reply.HTML(w, http.StatusBadRequest)
		return
	}
	a.gateway.Drain()
	w.WriteHeader(http.StatusNoContent)
}

func (a *API) getRoot(w http.ResponseWriter, _ *http.Request) {
	state := a.gateway.State()
	version := state.Version
	available := map[string]any{}
	loadedPlugins := map[string]bool{}
	for name := range a.Plugins {
		available[name] = map[string]any{"version": version, "priority": pluginPriorities()[name]}
		loadedPlugins[name] = true
	}
	plugins := any([]string{"bundled"})
	if a.Listed != nil {
		plugins = a.Listed
	}
	limit := strconv.FormatInt(max(a.BodyLimit, 0), 10)
	if a.BodyLimit == DefaultBodyLimit {
		limit = "10m"
	}
	workers := strconv.Itoa(a.Workers)
	proxies := []string{state.Listeners[2]}
	if secure := state.Listeners[3]; secure != "" {
		proxies = append(proxies, secure+" http2 ssl")
	}
	configuration := map[string]any{
		"database": "off", "role": "traditional", "router_flavor": a.RouterFlavor, "untrusted_lua": a.UntrustedLua,
		"nginx_worker_processes": workers, "nginx_main_worker_processes": workers, "worker_consistency": "eventual",
		"worker_state_update_frequency":    5,
		"nginx_admin_client_max_body_size": limit, "plugins": plugins, "loaded_plugins": loadedPlugins,
		"vaults": []string{"bundled"}, "loaded_vaults": map[string]bool{"env": true},
		"prefix": "/usr/local/kong", "lmdb_environment_path": "dbless.lmdb", "lmdb_map_size": "2048m", "lmdb_validation_tag": LMDBTag(version),
		"admin_listen":  []string{state.Listeners[0]},
		"status_listen": []string{state.Listeners[1]},
		"proxy_listen":  proxies,
	}
	if a.DeclarativeConfig != "" {
		configuration["declarative_config"] = a.DeclarativeConfig
	}
	reply.JSON(w, http.StatusOK, map[string]any{
		"version": version, "edition": "community", "lua_version": "LuaJIT 2.1.0-20231117", "hostname": "kong-node",
		"tagline": a.Banner, "node_id": state.NodeID, "configuration": configuration,
		"plugins": map[string]any{"available_on_server": available, "enabled_in_cluster": pluginsInUse(state.Configuration)},
		"pids":    map[string]any{"master": os.Getpid(), "workers": state.PIDs},
		"timers":  map[string]any{"pending": 1, "running": 1},
	})
}

func pluginsInUse(l *declarative.Configuration) []string {
	names := []string{}
	if l == nil {
		return names
	}
	for _, e := range l.Entities["plugins"] {
		var p struct{ Name string }
		if json.Unmarshal(e.Raw, &p) == nil && !slices.Contains(names, p.Name) {
			names = append(names, p.Name)
		}
	}
	return names
}

func (a *API) getEnabledPlugins(w http.ResponseWriter, _ *http.Request) {
	names := []string{}
	for name := range a.Plugins {
		names = append(names, name)
	}
	slices.Sort(names)
	reply.JSON(w, http.StatusOK, map[string]any{"enabled_plugins": names})
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

// BundledPlugins names the plugins that Kong 3.9.3 bundles.
func BundledPlugins() []string {
	var names []string
	for name := range pluginPriorities() {
		names = append(names, name)
	}
	return names
}

// LMDBTag names the versions that read each other's LMDB: those with the same major and minor number (F29).
func LMDBTag(version string) string {
	if at := strings.LastIndexByte(version, '.'); at >= 0 {
		return version[:at]
	}
	return version
}
