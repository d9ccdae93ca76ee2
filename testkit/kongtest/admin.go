package kongtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func (g *Gateway) serveAdmin(w http.ResponseWriter, r *http.Request) {
	g.requests.Add(1)
	header := w.Header()
	header.Set("Server", g.serverToken())
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Access-Control-Allow-Credentials", "true")
	header.Set("X-Kong-Admin-Latency", "0")
	path := strings.TrimSuffix(r.URL.Path, "/")
	switch {
	case path == "":
		g.onlyGet(w, r, g.getRoot)
	case path == "/metrics":
		g.onlyGet(w, r, g.getMetrics)
	case path == "/status":
		g.onlyGet(w, r, g.getStatus)
	case path == "/config":
		g.serveConfig(w, r)
	case strings.HasPrefix(path, "/schemas/") && strings.HasSuffix(path, "/validate") && strings.Count(path, "/") == 3:
		g.validateEntity(w, r)
	case path == "/schemas" || strings.HasPrefix(path, "/schemas/"):
		g.onlyGet(w, r, g.getSchema)
	case path == "/plugins/enabled":
		g.onlyGet(w, r, g.getEnabledPlugins)
	case strings.HasPrefix(path, "/clustering/"):
		answer(w, http.StatusBadRequest, message("this endpoint is only available when Kong is configured to run as Control Plane for the "+
			"cluster"))
	default:
		g.serveEntities(w, r, strings.Split(strings.TrimPrefix(path, "/"), "/"))
	}
}

func (g *Gateway) onlyGet(w http.ResponseWriter, r *http.Request, get http.HandlerFunc) {
	if allowed(w, r, "GET, HEAD, OPTIONS") {
		get(w, r)
	}
}

// allowed answers OPTIONS and the methods that an endpoint has not, and
// reports whether the request is left to answer.
func allowed(w http.ResponseWriter, r *http.Request, methods string) bool {
	list := strings.Split(methods, ", ")
	switch {
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", methods)
		w.Header().Set("Access-Control-Allow-Methods", methods)
		w.WriteHeader(http.StatusNoContent)
		return false
	case !slices.Contains(list, r.Method):
		answer(w, http.StatusMethodNotAllowed, message("Method not allowed"))
		return false
	}
	return true
}

func (g *Gateway) serveConfig(w http.ResponseWriter, r *http.Request) {
	if !allowed(w, r, "GET, HEAD, OPTIONS, POST") {
		return
	}
	if r.Method == http.MethodPost {
		g.postConfig(w, r)
		return
	}
	answer(w, http.StatusOK, map[string]any{"config": g.export()})
}

// export is the configuration as YAML in Kong's flattened form. Entities are in
// flow style, one a line.
func (g *Gateway) export() string {
	var out strings.Builder
	out.WriteString("_format_version: '3.0'\n_transform: false\n")
	if l := g.inForce(); l != nil {
		for _, k := range g.kinds.all {
			list := l.entities[k.name]
			if len(list) == 0 {
				continue
			}
			fmt.Fprintf(&out, "%s:\n", k.name)
			for _, e := range list {
				fmt.Fprintf(&out, "- %s\n", e.raw)
			}
		}
	}
	return out.String()
}

func (g *Gateway) postConfig(w http.ResponseWriter, r *http.Request) {
	run := g.process()
	g.posts.Add(1)
	body, ok := g.readBody(w, r)
	if !ok {
		return
	}
	if !g.misbehave(w, r, run) {
		return
	}
	p, err := readPosted(r, body)
	if err != nil {
		g.refuseBody(w, err)
		return
	}
	if !g.mayLoad(w, r, run) {
		return
	}
	l, err := g.load(p, run)
	<-g.loading // before the answer: a client that does not read it holds up nobody
	switch {
	case errors.Is(err, errNotRunning):
		hangUp(w)
	case err != nil:
		g.refuseBody(w, err)
	case l == nil:
		w.WriteHeader(http.StatusNotModified)
	default:
		g.answerLoaded(w, l)
	}
}

// load puts what was posted in force. It returns nothing when that is in force
// already and the client asked to check.
func (g *Gateway) load(p posted, run chan struct{}) (*loaded, error) {
	if p.check && p.document == nil && md5Hex(p.text) == g.Hash() {
		return nil, nil
	}
	l, err := g.parse(p, true)
	if err != nil {
		return nil, err
	}
	text := p.text
	if p.document != nil {
		text = p.raw
	}
	if err := g.install(l, text, run); err != nil {
		return nil, err
	}
	g.loads.Add(1)
	return l, nil
}

// readBody reads what nginx would hand to Kong: no more than the limit.
func (g *Gateway) readBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	limit := g.opts.BodyLimit
	if limit > 0 && r.ContentLength > limit {
		w.Header().Set("Connection", "close")
		answerHTML(w, http.StatusRequestEntityTooLarge)
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
	g.received.Add(int64(len(body)))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		w.Header().Set("Connection", "close")
		answerHTML(w, http.StatusRequestEntityTooLarge)
	case err != nil:
		hangUp(w)
	}
	return body, err == nil
}

// misbehave does what a test asked for, and reports whether the request is
// still to be served.
func (g *Gateway) misbehave(w http.ResponseWriter, r *http.Request, run chan struct{}) bool {
	slow, hung := g.faults.delays()
	if slow > 0 && !wait(r, run, after(slow)) || hung != nil && !wait(r, run, hung) {
		hangUp(w)
		return false
	}
	switch status := g.faults.fails(); status {
	case 0:
		return true
	case http.StatusRequestEntityTooLarge:
		answer(w, status, message("Configuration does not fit in LMDB database, consider raising the \"lmdb_map_size\" config for Kong"))
	case http.StatusTooManyRequests:
		tooMany(w)
	default:
		answer(w, status, message("An unexpected error occurred"))
	}
	return false
}

// mayLoad takes the right to load. One worker takes posts in turn; with several
// the one that loses the race is told to come back (F28).
func (g *Gateway) mayLoad(w http.ResponseWriter, r *http.Request, run chan struct{}) bool {
	select {
	case g.loading <- struct{}{}:
		return true
	default:
	}
	if g.opts.Workers > 1 {
		tooMany(w)
		return false
	}
	select {
	case g.loading <- struct{}{}:
		return true
	case <-r.Context().Done():
	case <-run:
	}
	hangUp(w)
	return false
}

func tooMany(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "10")
	answer(w, http.StatusTooManyRequests, message("Currently loading previous configuration"))
}

func (g *Gateway) refuseBody(w http.ResponseWriter, err error) {
	var no *refused
	switch {
	case errors.As(err, &no):
		answer(w, http.StatusBadRequest, no.body)
	case errors.Is(err, errCrash):
		answer(w, http.StatusInternalServerError, message("An unexpected error occurred"))
	case errors.Is(err, errMediaType):
		answerHTML(w, http.StatusUnsupportedMediaType)
	case errors.Is(err, errNoConfig), errors.Is(err, errBadJSON):
		answer(w, http.StatusBadRequest, message(err.Error()))
	default:
		answer(w, http.StatusBadRequest, unparsed(err.Error()))
	}
}

// answerLoaded repeats every entity, by kind and id, secrets included (F8).
func (g *Gateway) answerLoaded(w http.ResponseWriter, l *loaded) {
	body := []byte{'{'}
	for _, k := range g.kinds.all {
		list := l.entities[k.name]
		if len(list) == 0 {
			continue
		}
		if len(body) > 1 {
			body = append(body, ',')
		}
		body = fmt.Appendf(body, "%q:{", k.name)
		for i, e := range list {
			if i > 0 {
				body = append(body, ',')
			}
			body = fmt.Appendf(body, "%q:", e.id)
			if plain := l.plain[e.id]; plain != nil {
				body = append(body, plain...)
				continue
			}
			body = append(body, e.raw...)
		}
		body = append(body, '}')
	}
	body = append(body, '}')
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if g.faults.cuts() {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // the one way to break off an answer
	}
	write(w, http.StatusCreated, body)
}

var schemaName = regexp.MustCompile(`^[a-z0-9_\-]+$`)

func (g *Gateway) getSchema(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")[1:]
	folder, what := "entities", "entity"
	if len(parts) == 2 && (parts[0] == "plugins" || parts[0] == "vaults") {
		folder, what = parts[0], strings.TrimSuffix(parts[0], "s")
		parts = parts[1:]
	}
	if len(parts) != 1 || !schemaName.MatchString(parts[0]) {
		answer(w, http.StatusNotFound, message("Not found"))
		return
	}
	absent := message(fmt.Sprintf("No %s named '%s'", what, parts[0]))
	if g.opts.SchemaDir == "" || what == "plugin" && !g.plugins[parts[0]] {
		answer(w, http.StatusNotFound, absent)
		return
	}
	text, err := os.ReadFile(filepath.Join(g.opts.SchemaDir, folder, parts[0]+".json"))
	if err != nil || !json.Valid(text) {
		answer(w, http.StatusNotFound, absent)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	g.mu.Lock()
	start := g.starts
	g.mu.Unlock()
	write(w, http.StatusOK, varied(folder+"/"+parts[0], text, start))
}

func message(text string) map[string]any { return map[string]any{"message": text} }

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	write(w, status, marshal(body))
}

// answerHTML answers as nginx does when Kong's Lua is not asked.
func answerHTML(w http.ResponseWriter, status int) {
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	write(w, status, []byte("<html>\r\n<head><title>"+title+"</title></head>\r\n<body>\r\n<center><h1>"+title+
		"</h1></center>\r\n</body>\r\n</html>\r\n"))
}
