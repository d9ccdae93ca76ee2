package kongtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
)

// posted is a configuration as it came in: either as text, whose hash is that
// of the text, or as a JSON object, whose hash nobody can foresee.
type posted struct {
	text     []byte
	document map[string]any // set for direct JSON
	raw      []byte         // the body of direct JSON
	flatten  bool
	check    bool
}

// What can be wrong with a body before it is read as a configuration.
var (
	errNoConfig   = errors.New("expected a declarative configuration")
	errBadJSON    = errors.New("Cannot parse JSON body") //nolint:staticcheck // Kong's words
	errMediaType  = errors.New("unsupported media type")
	errNotAString = errors.New("bad argument #1 to 'parser' (must provide a string argument)")
)

// readPosted tells apart the forms in which POST /config takes its argument.
func readPosted(r *http.Request, body []byte) (posted, error) {
	query := r.URL.Query()
	p := posted{check: query.Get("check_hash") == "1", flatten: truthy(query.Get("flatten_errors"))}
	contentType := r.Header.Get("Content-Type")
	media, params, _ := mime.ParseMediaType(contentType)
	switch {
	case contentType == "" && len(body) > 0:
		return p, errMediaType
	case media == "application/json":
		return readJSON(p, body, query)
	case media == "text/yaml" || media == "application/yaml":
		p.text = body
	case media == "application/x-www-form-urlencoded":
		p.text = body
		if form, err := url.ParseQuery(string(body)); err == nil && form.Has("config") {
			p.text = []byte(form.Get("config"))
		}
	case media == "multipart/form-data":
		p.text = formField(body, params["boundary"], "config")
	case contentType != "":
		return p, errMediaType
	}
	if len(p.text) == 0 {
		p.text = []byte(query.Get("config"))
	}
	if len(p.text) == 0 {
		return p, errNoConfig
	}
	return p, nil
}

func readJSON(p posted, body []byte, query url.Values) (posted, error) {
	value, err := parseJSON(body)
	if errors.Is(err, errCrash) {
		return p, err
	}
	if err != nil {
		return p, errBadJSON
	}
	var object map[string]any
	switch value := value.(type) {
	case map[string]any:
		object = value
	case []any:
		if len(value) > 0 {
			return p, errCrash
		}
		object = map[string]any{}
	default:
		return p, errCrash
	}
	if asked, has := object["check_hash"]; has {
		p.check = asked == float64(1) || asked == "1"
		delete(object, "check_hash")
	}
	if asked, has := object["flatten_errors"]; has {
		p.flatten = asked == true || asked == float64(1) || asked == "1"
		delete(object, "flatten_errors")
	}
	if config, has := object["config"]; has {
		text, ok := config.(string)
		if !ok {
			return p, errNotAString
		}
		p.text = []byte(text)
		return p, nil
	}
	// Query parameters and body are one table in Kong's Lua.
	for name, values := range query {
		if _, has := object[name]; !has && name != "check_hash" && name != "flatten_errors" {
			object[name] = values[0]
		}
	}
	p.document, p.raw = object, body
	return p, nil
}

func truthy(word string) bool {
	switch strings.ToLower(word) {
	case "1", "true", "on", "yes":
		return true
	}
	return false
}

func formField(body []byte, boundary, name string) []byte {
	if boundary == "" {
		return nil
	}
	reader := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := reader.NextPart()
		if err != nil {
			return nil
		}
		if part.FormName() != name {
			continue
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return nil
		}
		return value
	}
}

func marshal(value any) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		// Only plain maps, lists and scalars come here.
		panic(err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}
