// Package admin is the Admin API and the Status API of a simulated gateway: configurations in every form that Kong takes, reads, schemas,
// status, metrics, and the faults that tests ask for.
package admin

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/check"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/declarative"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/document"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/entity"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/metering"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/problems"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/reply"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/router"
)

// DefaultBodyLimit is Kong's nginx_admin_client_max_body_size.
const DefaultBodyLimit = 10 << 20

// ErrNotRunning means that the process that got the request has ended meanwhile.
var ErrNotRunning = errors.New("the gateway is not running")

// Gateway is the process that the API shows, and loads configurations into.
type Gateway interface {
	State() State
	// Load puts a configuration in force, unless run has ended. It returns nil when the client asked to check the hash and the configuration
	// is in force already. The error is document.ErrCrash, ErrNotRunning, a *problems.Refused, or the parser's.
	Load(p Posted, run <-chan struct{}) (*declarative.Configuration, error)
	Drain()
	// Balancer returns the balancer of the configuration in force; nil before the first.
	Balancer() Balancer
}

// Balancer holds the health of targets.
type Balancer interface {
	Health(upstreamID string) []router.TargetHealth
	SetHealth(upstreamID, target string, healthy bool) error
}

// State is the present state of the gateway.
type State struct {
	Configuration *declarative.Configuration // nil before the first
	Run           <-chan struct{}            // closed when this run of the process ends
	Draining      bool
	Unbuilt       bool // a reload failed: readiness is lost (F30)
	NodeID        string
	Version       string
	Start         uint64 // a number of this start, by which schemas vary (F44)
	PIDs          []int
	Listeners     [4]string // Admin, Status, proxy, and the proxy's for TLS, or nothing
}

// Hash returns the present configuration_hash.
func (s State) Hash() string {
	if s.Configuration == nil {
		return declarative.EmptyHash
	}
	return s.Configuration.Hash
}

// Settings are constant during the life of the gateway.
type Settings struct {
	Kinds             *entity.Kinds
	Plugins           map[string]bool // those that are enabled
	Listed            []string        // the setting "plugins"; nil is bundled
	Workers           int
	RouterFlavor      string
	UntrustedLua      string
	BodyLimit         int64 // in bytes; below 1 is none
	DeclarativeConfig string
	SchemaDir         string
	Schemas           check.Schemas // nil: entities are not validated at /schemas
	Banner            string
}

// API serves both listeners. Make it with New.
type API struct {
	Settings
	Faults *Faults

	gateway  Gateway
	traffic  *metering.Traffic
	meter    *metering.Meter
	loading  chan struct{} // holds the one right to load
	posts    atomic.Int64
	received atomic.Int64
	loads    atomic.Int64
}

// New returns the API of a gateway.
func New(s Settings, g Gateway, traffic *metering.Traffic, meter *metering.Meter) *API {
	return &API{Settings: s, Faults: &Faults{}, gateway: g, traffic: traffic, meter: meter, loading: make(chan struct{}, 1)}
}

// Posts returns the number of requests to POST /config, whatever their result.
func (a *API) Posts() int { return int(a.posts.Load()) }

// BytesReceived returns the number of body bytes of those requests.
func (a *API) BytesReceived() int64 { return a.received.Load() }

// Loads returns the number of configurations that came into force by POST /config.
func (a *API) Loads() int { return int(a.loads.Load()) }

// ServerToken returns the Server header of a version.
func ServerToken(version string) string { return "kong/" + version + "-silverback-sim" }

// ServeAdmin serves the Admin API.
func (a *API) ServeAdmin(w http.ResponseWriter, r *http.Request) {
	a.traffic.Requests.Add(1)
	header := w.Header()
	header.Set("Server", ServerToken(a.gateway.State().Version))
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Access-Control-Allow-Credentials", "true")
	header.Set("X-Kong-Admin-Latency", "0")
	path := strings.TrimSuffix(r.URL.Path, "/")
	switch {
	case path == "":
		a.onlyGet(w, r, a.getRoot)
	case path == "/metrics":
		a.onlyGet(w, r, a.getMetrics)
	case path == "/status":
		a.onlyGet(w, r, a.getStatus)
	case path == "/config":
		a.serveConfig(w, r)
	case strings.HasPrefix(path, "/schemas/") && strings.HasSuffix(path, "/validate") && strings.Count(path, "/") == 3:
		a.validateEntity(w, r)
	case path == "/schemas" || strings.HasPrefix(path, "/schemas/"):
		a.onlyGet(w, r, a.getSchema)
	case path == "/plugins/enabled":
		a.onlyGet(w, r, a.getEnabledPlugins)
	case strings.HasPrefix(path, "/clustering/"):
		reply.JSON(w, http.StatusBadRequest, reply.Message("this endpoint is only available when Kong is configured to run as Control"+
			" Plane for the "+
			"cluster"))
	default:
		a.serveEntities(w, r, strings.Split(strings.TrimPrefix(path, "/"), "/"))
	}
}

func (a *API) onlyGet(w http.ResponseWriter, r *http.Request, get http.HandlerFunc) {
	if allowed(w, r, "GET, HEAD, OPTIONS") {
		get(w, r)
	}
}

// allowed answers OPTIONS and methods that the endpoint lacks. It reports whether the request still needs an answer.
func allowed(w http.ResponseWriter, r *http.Request, methods string) bool {
	list := strings.Split(methods, ", ")
	switch {
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", methods)
		w.Header().Set("Access-Control-Allow-Methods", methods)
		w.WriteHeader(http.StatusNoContent)
		return false
	case !slices.Contains(list, r.Method):
		reply.JSON(w, http.StatusMethodNotAllowed, reply.Message("Method not allowed"))
		return false
	}
	return true
}

func (a *API) serveConfig(w http.ResponseWriter, r *http.Request) {
	if !allowed(w, r, "GET, HEAD, OPTIONS, POST") {
		return
	}
	if r.Method == http.MethodPost {
		a.postConfig(w, r)
		return
	}
	reply.JSON(w, http.StatusOK, map[string]any{"config": a.export()})
}

// export returns the configuration as YAML in Kong's flattened form, with one entity a line in flow style.
func (a *API) export() string {
	var out strings.Builder
	out.WriteString("_format_version: '3.0'\n_transform: false\n")
	if l := a.gateway.State().Configuration; l != nil {
		for _, k := range a.Kinds.All {
			list := l.Entities[k.Name]
			if len(list) == 0 {
				continue
			}
			fmt.Fprintf(&out, "%s:\n", k.Name)
			for _, e := range list {
				fmt.Fprintf(&out, "- %s\n", e.Raw)
			}
		}
	}
	return out.String()
}

func (a *API) postConfig(w http.ResponseWriter, r *http.Request) {
	run := a.gateway.State().Run
	a.posts.Add(1)
	body, ok := a.readBody(w, r)
	if !ok {
		return
	}
	if !a.misbehave(w, r, run) {
		return
	}
	p, err := readPosted(r, body)
	if err != nil {
		a.refuseBody(w, err)
		return
	}
	if !a.mayLoad(w, r, run) {
		return
	}
	l, err := a.gateway.Load(p, run)
	<-a.loading // before the answer, so that a client that does not read it blocks nobody
	switch {
	case errors.Is(err, ErrNotRunning):
		reply.HangUp(w)
	case err != nil:
		a.refuseBody(w, err)
	case l == nil:
		w.WriteHeader(http.StatusNotModified)
	default:
		a.loads.Add(1)
		a.answerLoaded(w, l)
	}
}

// readBody reads the body that nginx would pass to Kong, up to the limit.
func (a *API) readBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	limit := a.BodyLimit
	if limit > 0 && r.ContentLength > limit {
		w.Header().Set("Connection", "close")
		reply.HTML(w, http.StatusRequestEntityTooLarge)
		return nil, false
	}
	reader := r.Body
	if limit > 0 {
		reader = http.MaxBytesReader(w, r.Body, limit)
	}
	var body []byte
	var err error
	if r.ContentLength > 0 {
		body = make([]byte, r.ContentLength)
		_, err = io.ReadFull(reader, body)
	} else {
		body, err = io.ReadAll(reader)
	}
	a.received.Add(int64(len(body)))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		w.Header().Set("Connection", "close")
		reply.HTML(w, http.StatusRequestEntityTooLarge)
	case err != nil:
		reply.HangUp(w)
	}
	return body, err == nil
}

// misbehave executes the faults that a test set. It reports whether the request is still to be served.
func (a *API) misbehave(w http.ResponseWriter, r *http.Request, run <-chan struct{}) bool {
	slow, hung := a.Faults.delays()
	if slow > 0 && !wait(r, run, after(slow)) || hung != nil && !wait(r, run, hung) {
		reply.HangUp(w)
		return false
	}
	switch status := a.Faults.fails(); status {
	case 0:
		return true
	case http.StatusRequestEntityTooLarge:
		reply.JSON(w, status, reply.Message("Configuration does not fit in LMDB database, consider raising the \"lmdb_map_size\" config"+
			" for Kong"))
	case http.StatusTooManyRequests:
		tooMany(w)
	default:
		reply.JSON(w, status, reply.Message("An unexpected error occurred"))
	}
	return false
}

// mayLoad takes the right to load. One worker takes posts in turn. With several workers the loser of the race gets 429 (F28).
func (a *API) mayLoad(w http.ResponseWriter, r *http.Request, run <-chan struct{}) bool {
	select {
	case a.loading <- struct{}{}:
		return true
	default:
	}
	if a.Workers > 1 {
		tooMany(w)
		return false
	}
	select {
	case a.loading <- struct{}{}:
		return true
	case <-r.Context().Done():
	case <-run:
	}
	reply.HangUp(w)
	return false
}

func tooMany(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "10")
	reply.JSON(w, http.StatusTooManyRequests, reply.Message("Currently loading previous configuration"))
}

func (a *API) refuseBody(w http.ResponseWriter, err error) {
	var no *problems.Refused
	switch {
	case errors.As(err, &no):
		reply.JSON(w, http.StatusBadRequest, no.Body)
	case errors.Is(err, document.ErrCrash):
		reply.JSON(w, http.StatusInternalServerError, reply.Message("An unexpected error occurred"))
	case errors.Is(err, errMediaType):
		reply.HTML(w, http.StatusUnsupportedMediaType)
	case errors.Is(err, errNoConfig), errors.Is(err, errBadJSON):
		reply.JSON(w, http.StatusBadRequest, reply.Message(err.Error()))
	default:
		reply.JSON(w, http.StatusBadRequest, problems.Unparsed(err.Error()).Body)
	}
}

// answerLoaded repeats every entity, by kind and id, secrets included (F8).
func (a *API) answerLoaded(w http.ResponseWriter, l *declarative.Configuration) {
	body := []byte{'{'}
	for _, k := range a.Kinds.All {
		list := l.Entities[k.Name]
		if len(list) == 0 {
			continue
		}
		if len(body) > 1 {
			body = append(body, ',')
		}
		body = fmt.Appendf(body, "%q:{", k.Name)
		for i, e := range list {
			if i > 0 {
				body = append(body, ',')
			}
			body = fmt.Appendf(body, "%q:", e.ID)
			if plain := l.Plain[e.ID]; plain != nil {
				body = append(body, plain...)
				continue
			}
			body = append(body, e.Raw...)
		}
		body = append(body, '}')
	}
	body = append(body, '}')
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if a.Faults.cuts() {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // the one way to break off an answer
	}
	reply.Write(w, http.StatusCreated, body)
}

// wait reports whether the event came before the client or the gateway ended.
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
