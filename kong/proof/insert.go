package proof

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// Options adapt the reserved route to one gateway. The zero value suits the
// default router flavor.
type Options struct {
	// Expressions writes the route as an expression of the highest priority. Under the router flavor "expressions" a lower priority could lose
	// its requests to a user's expression.
	Expressions bool
}

// TopPriority is the largest priority of an expression that Kong's schema allows (2^46-1, F42). The reserved route has it. Among
// expressions of the same priority the larger id wins, so callers that accept entities refuse this priority in others.
const TopPriority = 70368744177663

// The plugins have ids of our own, so that the posted bytes of one digest are the same on every gateway and at every load.
const (
	preFunctionID        = "b7590e17-d63b-59e4-a6d7-36c341c47a87"
	requestTerminationID = "23001363-8b46-582a-a182-6234dc3924d8"
	ipRestrictionID      = "9f6de2e5-4375-5793-b708-bd8c98e187bd"
)

// workerScript is the Lua of the worker form. To clients on other machines it answers like an unknown route; unix: is nginx's name of a
// client behind a socket.
const workerScript = `local ip = kong.client.get_ip() ` +
	`if ip ~= '127.0.0.1' and ip ~= '::1' and ip ~= 'unix:' then ` +
	`return kong.response.exit(404, { message = 'no Route matched with those values' }) end ` +
	`return kong.response.exit(200, { digest = '%s', worker = ngx.worker.id(), workers = ngx.worker.count(), pid = ngx.worker.pid() })`

// Insert returns the bytes to post for a snapshot: its canonical bytes with the reserved route as the first line of "routes", or the
// canonical bytes themselves (not a copy) for None. The result depends on the arguments alone. It refuses bytes that are not in the
// canonical layout. It returns a *Collision for a snapshot with an entity that has a reserved name or id.
func Insert(canonical []byte, digest fleet.Digest, form Form, opts Options) ([]byte, error) {
	if form == None {
		return canonical, nil
	}
	// The digest becomes part of Lua source, so it must be hexadecimal.
	if _, err := fleet.ParseDigest(string(digest)); err != nil {
		return nil, fmt.Errorf("insert reserved route: %w", err)
	}
	if err := collision(canonical); err != nil {
		return nil, err
	}
	line, err := routeLine(digest, form, opts)
	if err != nil {
		return nil, fmt.Errorf("insert reserved route: %w", err)
	}
	at, before, after, err := insertionPoint(canonical)
	if err != nil {
		return nil, fmt.Errorf("insert reserved route: %w", err)
	}
	posted := make([]byte, 0, len(canonical)+len(before)+len(line)+len(after))
	posted = append(posted, canonical[:at]...)
	posted = append(posted, before...)
	posted = append(posted, line...)
	posted = append(posted, after...)
	return append(posted, canonical[at:]...), nil
}

// insertionPoint finds the place of the line and the text around it. In canonical bytes a line that starts with a quote is a top-level key:
// entities start with a brace, and strings hold no raw line feed.
func insertionPoint(canonical []byte) (at int, before, after string, err error) {
	if !bytes.HasPrefix(canonical, []byte(`{"_format_version":`)) || !bytes.HasSuffix(canonical, []byte("}\n")) {
		return 0, "", "", errors.New("the bytes are not canonical")
	}
	for start := 0; ; {
		next := bytes.Index(canonical[start:], []byte("\n\""))
		if next < 0 {
			break
		}
		start += next + 1
		line := canonical[start:]
		if end := bytes.IndexByte(line, '\n'); end >= 0 {
			line = line[:end]
		}
		key, rest, ok := bytes.Cut(line[1:], []byte(`":`))
		if !ok {
			return 0, "", "", errors.New("the bytes are not canonical")
		}
		switch bytes.Compare(key, []byte("routes")) {
		case 0:
			if !bytes.Equal(rest, []byte("[")) {
				return 0, "", "", errors.New(`"routes" is not laid out canonically`)
			}
			return start + len(line) + 1, "", ",\n", nil
		case 1:
			return start, "\"routes\":[\n", "\n],\n", nil
		}
	}
	return len(canonical) - len("}\n"), ",\n\"routes\":[\n", "\n]", nil
}

type route struct {
	Expression              string              `json:"expression,omitempty"`
	Headers                 map[string][]string `json:"headers,omitempty"`
	Hosts                   []string            `json:"hosts,omitempty"`
	HTTPSRedirectStatusCode int                 `json:"https_redirect_status_code"`
	ID                      string              `json:"id"`
	Methods                 []string            `json:"methods,omitempty"`
	Name                    string              `json:"name"`
	Paths                   []string            `json:"paths,omitempty"`
	Plugins                 []plugin            `json:"plugins"`
	Priority                int64               `json:"priority,omitempty"`
	Protocols               []string            `json:"protocols"`
	Tags                    []string            `json:"tags"`
}

type plugin struct {
	Config any    `json:"config"`
	ID     string `json:"id"`
	Name   string `json:"name"`
}

type preFunction struct {
	Access []string `json:"access"`
}

type requestTermination struct {
	Body        string `json:"body"`
	ContentType string `json:"content_type"`
	StatusCode  int    `json:"status_code"`
}

type ipRestriction struct {
	Allow   []string `json:"allow"`
	Message string   `json:"message"`
	Status  int      `json:"status"`
}

func routeLine(digest fleet.Digest, form Form, opts Options) ([]byte, error) {
	r := route{
		HTTPSRedirectStatusCode: 426,
		ID:                      RouteID,
		Name:                    RouteName,
		Protocols:               []string{"http", "https"},
		Tags:                    []string{Tag},
	}
	if opts.Expressions {
		r.Expression = fmt.Sprintf("http.host == %q && http.path == %q", Host, Path)
		r.Priority = TopPriority
	} else {
		// The traditional routers prefer the route with more kinds of criteria. A user's route for *.internal, / and GET would win over host and
		// path alone.
		r.Hosts, r.Paths = []string{Host}, []string{Path}
		r.Methods, r.Headers = []string{http.MethodGet}, map[string][]string{Header: {HeaderValue}}
	}
	switch form {
	case Worker:
		r.Plugins = []plugin{{ID: preFunctionID, Name: "pre-function", Config: preFunction{
			Access: []string{fmt.Sprintf(workerScript, digest)},
		}}}
	case Route:
		r.Plugins = []plugin{
			{ID: ipRestrictionID, Name: "ip-restriction", Config: ipRestriction{
				Allow: []string{"127.0.0.1", "::1"}, Message: "no Route matched with those values", Status: 404,
			}},
			{ID: requestTerminationID, Name: "request-termination", Config: requestTermination{
				Body: fmt.Sprintf(`{"digest":%q}`, string(digest)), ContentType: "application/json", StatusCode: 200,
			}},
		}
	default:
		return nil, fmt.Errorf("%v is not a form of the reserved route", form)
	}
	// json.Marshal would escape && in an expression, which people read in dumps.
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(line.Bytes(), []byte("\n")), nil
}
