package admin

import (
	"fmt"
	"net/http"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/metering"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/reply"
)

// getMetrics answers as long as the prometheus plugin is enabled on the server,
// configured or not.
func (a *API) getMetrics(w http.ResponseWriter, _ *http.Request) {
	if !a.Plugins["prometheus"] {
		reply.JSON(w, http.StatusNotFound, reply.Message("Not found"))
		return
	}
	x := metering.NewPage()
	state := a.gateway.State()
	node := state.NodeID
	x.Family("kong_datastore_reachable", "Datastore reachable from Kong, 0 is unreachable", "gauge", "kong_datastore_reachable 1")
	x.Family("kong_node_info", "Kong Node metadata information", "gauge",
		fmt.Sprintf("kong_node_info{%s} 1", metering.Labels("node_id", node, "version", state.Version)))
	x.Family("kong_nginx_metric_errors_total", "Number of nginx-lua-prometheus errors", "counter", "kong_nginx_metric_errors_total 0")
	x.Family("kong_nginx_requests_total", "Number of requests total", "gauge",
		fmt.Sprintf("kong_nginx_requests_total{%s} %d", metering.Labels("node_id", node, "subsystem", "http"), a.traffic.Requests.Load()))
	x.Family("kong_nginx_timers", "Number of nginx timers", "gauge", `kong_nginx_timers{state="pending"} 1`,
		`kong_nginx_timers{state="running"} 1`)
	accepted, active := a.traffic.Accepted.Load(), a.traffic.Active.Load()
	var lines []string
	for state, n := range map[string]int64{
		"accepted": accepted, "handled": accepted, "total": accepted, "active": active, "reading": 0, "waiting": 0, "writing": active,
	} {
		lines = append(lines, fmt.Sprintf("kong_nginx_connections_total{%s}"+
			" %d", metering.Labels("node_id", node, "subsystem", "http", "state", state), n))
	}
	x.Family("kong_nginx_connections_total", "Number of connections by subsystem", "gauge", lines...)
	lines = nil
	for _, pid := range state.PIDs {
		lines = append(lines, fmt.Sprintf("kong_memory_workers_lua_vms_bytes{%s} %d",
			metering.Labels("node_id", node, "pid", fmt.Sprint(pid), "kong_subsystem", "http"), luaMemory))
	}
	x.Family("kong_memory_workers_lua_vms_bytes", "Allocated bytes in worker Lua VM", "gauge", lines...)
	a.meter.Expose(x)
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	reply.Write(w, http.StatusOK, x.Bytes())
}

// luaMemory is what each simulated worker claims to use.
const luaMemory = 50 << 20
