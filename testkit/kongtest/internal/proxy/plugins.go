package proxy

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/declarative"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/document"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/entity"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/reply"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/request"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/sandbox"
)

// plugin is one that the proxy runs. Every other plugin is accepted, listed by the Admin API and not run.
type plugin struct {
	name     string
	priority int
	run      func(w http.ResponseWriter, r *http.Request, t *turn) (done bool) // nil: nothing before the answer
	answer   func(http.Header)                                                 // changes the headers of every answer; nil: none
}

// turn is one request at one worker.
type turn struct {
	worker, workers int
	pid             int
	requestID       string
	keys            map[string]bool
	owners          map[string]string
	passwords       map[string]login
	consumer        string        // the username, once a key was recognised
	byService       bool          // the answer is the upstream's
	upstream        time.Duration // until the upstream's headers
	captures        map[string]string

	path, host   string // what plugins put in place of the upstream's; empty: nothing
	query        string // with its question mark, when plugins changed it
	queryChanged bool
}

func compilePlugin(n *entity.Node, luaAllowed bool) *plugin {
	config, _ := n.Own["config"].(map[string]any)
	if n.Own["enabled"] == false {
		return nil
	}
	switch name := n.Text("name"); name {
	case "pre-function":
		return &plugin{name: name, priority: 1000000, run: functions(config, luaAllowed)}
	case "key-auth":
		return &plugin{name: name, priority: 1250, run: keyAuth(config)}
	case "basic-auth":
		return &plugin{name: name, priority: 1100, run: basicAuth}
	case "ip-restriction":
		return &plugin{name: name, priority: 990, run: ipRestriction(config)}
	case "request-transformer":
		return &plugin{name: name, priority: 801, run: requestTransformer(config, luaAllowed)}
	case "response-transformer":
		return &plugin{name: name, priority: 800, answer: editsOf(config, "headers").responseHeaders}
	case "redirect":
		return &plugin{name: name, priority: 779, run: redirect(config)}
	case "request-termination":
		return &plugin{name: name, priority: 2, run: requestTermination(config)}
	case "post-function":
		return &plugin{name: name, priority: -1000, run: functions(config, luaAllowed)}
	}
	return nil
}

// functions runs those of the access phase, and of no other phase. With untrusted_lua off the client gets an empty reply (F41).
func functions(config map[string]any, allowed bool) func(http.ResponseWriter, *http.Request, *turn) bool {
	var protos []*lua.FunctionProto
	for _, source := range entity.Words(config["access"]) {
		if proto, err := sandbox.Compile(source); err == nil { // else refused before
			protos = append(protos, proto)
		}
	}
	return func(w http.ResponseWriter, r *http.Request, t *turn) bool {
		if !allowed {
			reply.HangUp(w)
			return true
		}
		c := callOf(r)
		c.Worker, c.Workers, c.PID = t.worker, t.workers, t.pid
		for _, proto := range protos {
			left, err := sandbox.Run(r.Context(), proto, c)
			switch {
			case err != nil:
				t.fail(w, http.StatusInternalServerError, "An unexpected error occurred")
				return true
			case left != nil:
				t.exit(w, left)
				return true
			}
		}
		return false
	}
}

// callOf is what functions may read of a request.
func callOf(r *http.Request) sandbox.Call {
	host, _ := splitHost(r.Host)
	a := request.Of(r)
	c := sandbox.Call{
		ClientIP: clientIP(r), Method: r.Method, Scheme: a.Protocol(), Host: strings.ToLower(host), Path: a.Path, RawPath: r.RequestURI,
		RawQuery: strings.TrimPrefix(a.Query, "?"), Header: r.Header.Get, Query: r.URL.Query().Get,
	}
	if at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		c.Port = at.Port
	}
	c.RawPath, _, _ = strings.Cut(c.RawPath, "?")
	header := c.Header
	c.Header = func(name string) string { // a server of Go keeps it apart
		if strings.EqualFold(name, "Host") {
			return r.Host
		}
		return header(name)
	}
	return c
}

func keyAuth(config map[string]any) func(http.ResponseWriter, *http.Request, *turn) bool {
	names := entity.Words(config["key_names"])
	if len(names) == 0 {
		names = []string{"apikey"}
	}
	return func(w http.ResponseWriter, r *http.Request, t *turn) bool {
		key := ""
		for _, name := range names {
			if key == "" {
				key = r.Header.Get(name)
			}
			if key == "" {
				key = r.URL.Query().Get(name)
			}
		}
		if t.keys[key] {
			t.consumer = t.owners[key]
			return false
		}
		message := "Unauthorized"
		if key == "" {
			message = "No API key found in request"
		}
		w.Header().Set("WWW-Authenticate", "Key")
		t.fail(w, http.StatusUnauthorized, message)
		return true
	}
}

// basicAuth compares hashes, as Kong does.
func basicAuth(w http.ResponseWriter, r *http.Request, t *turn) bool {
	username, password, _ := r.BasicAuth()
	known, found := t.passwords[username]
	if found && known.hash == declarative.HashPassword(password, known.consumer) {
		t.consumer = known.owner
		return false
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="service"`)
	t.fail(w, http.StatusUnauthorized, "Unauthorized")
	return true
}

func ipRestriction(config map[string]any) func(http.ResponseWriter, *http.Request, *turn) bool {
	allow, deny := prefixes(config["allow"]), prefixes(config["deny"])
	status, message := http.StatusForbidden, "IP address not allowed: %s"
	if number, ok := config["status"].(float64); ok {
		status = int(number)
	}
	custom, own := config["message"].(string)
	return func(w http.ResponseWriter, r *http.Request, t *turn) bool {
		ip, err := netip.ParseAddr(clientIP(r))
		within := func(p netip.Prefix) bool { return p.Contains(ip) }
		if err == nil && !slices.ContainsFunc(deny, within) && (len(allow) == 0 || slices.ContainsFunc(allow, within)) {
			return false
		}
		text := fmt.Sprintf(message, ip)
		if own {
			text = custom
		}
		t.fail(w, status, text)
		return true
	}
}

func prefixes(value any) []netip.Prefix {
	var list []netip.Prefix
	for _, word := range entity.Words(value) {
		if ip, err := netip.ParseAddr(word); err == nil {
			list = append(list, netip.PrefixFrom(ip, ip.BitLen()))
		} else if p, err := netip.ParsePrefix(word); err == nil {
			list = append(list, p)
		}
	}
	return list
}

func requestTermination(config map[string]any) func(http.ResponseWriter, *http.Request, *turn) bool {
	status := http.StatusServiceUnavailable
	if number, ok := config["status_code"].(float64); ok {
		status = int(number)
	}
	body, hasBody := config["body"].(string)
	contentType, _ := config["content_type"].(string)
	if contentType == "" {
		contentType = "application/json; charset=utf-8"
	}
	message, _ := config["message"].(string)
	if message == "" {
		message = http.StatusText(status)
	}
	return func(w http.ResponseWriter, _ *http.Request, t *turn) bool {
		if !hasBody {
			t.exit(w, &sandbox.Exit{Status: status, Body: map[string]any{"message": message}})
			return true
		}
		w.Header().Set("Content-Type", contentType)
		t.exit(w, &sandbox.Exit{Status: status, Body: body})
		return true
	}
}

// exit answers as kong.response.exit does: a table becomes JSON.
func (t *turn) exit(w http.ResponseWriter, e *sandbox.Exit) {
	for name, value := range e.Header {
		w.Header().Set(name, value)
	}
	w.Header().Set("X-Kong-Response-Latency", "0")
	switch body := e.Body.(type) {
	case nil:
		w.WriteHeader(e.Status)
	case string:
		reply.Write(w, e.Status, []byte(body))
	default:
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		reply.Write(w, e.Status, document.Marshal(body))
	}
}

// fail answers as kong.response.error does.
func (t *turn) fail(w http.ResponseWriter, status int, message string) {
	w.Header().Set("X-Kong-Response-Latency", "0")
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	reply.Write(w, status, fmt.Appendf(nil, "{\n  \"message\":%s,\n  \"request_id\":%q\n}", document.Marshal(message), t.requestID))
}

func clientIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return "unix:" // nginx's name for clients of a socket
	}
	return host
}
