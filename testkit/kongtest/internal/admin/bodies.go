package admin

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/document"
)

// Posted is a configuration as it was posted: as text, whose MD5 becomes the hash, or as a JSON object, whose hash cannot be predicted
// (F3).
type Posted struct {
	Text     []byte
	Document map[string]any // set for direct JSON
	Raw      []byte         // the body of direct JSON
	Flatten  bool
	Check    bool // answer 304 when it is in force already
}

// Errors about a body before it is read as a configuration.
var (
	errNoConfig   = errors.New("expected a declarative configuration")
	errBadJSON    = errors.New("Cannot parse JSON body") //nolint:staticcheck // Kong's words
	errMediaType  = errors.New("unsupported media type")
	errNotAString = errors.New("bad argument #1 to 'parser' (must provide a string argument)")
)

// readPosted reads the argument of POST /config in each of its forms.
func readPosted(r *http.Request, body []byte) (Posted, error) {
	query := r.URL.Query()
	p := Posted{Check: query.Get("check_hash") == "1", Flatten: truthy(query.Get("flatten_errors"))}
	contentType := r.Header.Get("Content-Type")
	media, params, _ := mime.ParseMediaType(contentType)
	switch {
	case contentType == "" && len(body) > 0:
		return p, errMediaType
	case media == "application/json":
		return readJSON(p, body, query)
	case media == "text/yaml" || media == "application/yaml":
		p.Text = body
	case media == "application/x-www-form-urlencoded":
		p.Text = body
		if form, err := url.ParseQuery(string(body)); err == nil && form.Has("config") {
			p.Text = []byte(form.Get("config"))
		}
	case media == "multipart/form-data":
		p.Text = formField(body, params["boundary"], "config")
	case contentType != "":
		return p, errMediaType
	}
	if len(p.Text) == 0 {
		p.Text = []byte(query.Get("config"))
	}
	if len(p.Text) == 0 {
		return p, errNoConfig
	}
	return p, nil
}

func readJSON(p Posted, body []byte, query url.Values) (Posted, error) {
	value, err := document.ParseJSON(body)
	if errors.Is(err, document.ErrCrash) {
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
			return p, document.ErrCrash
		}
		object = map[string]any{}
	default:
		return p, document.ErrCrash
	}
	if value, has := object["check_hash"]; has {
		p.Check = value == float64(1) || value == "1"
		delete(object, "check_hash")
	}
	if value, has := object["flatten_errors"]; has {
		p.Flatten = value == true || value == float64(1) || value == "1"
		delete(object, "flatten_errors")
	}
	if config, has := object["config"]; has {
		text, ok := config.(string)
		if !ok {
			return p, errNotAString
		}
		p.Text = []byte(text)
		return p, nil
	}
	// Query parameters and body are one table in Kong's Lua.
	for name, values := range query {
		if _, has := object[name]; !has && name != "check_hash" && name != "flatten_errors" {
			object[name] = values[0]
		}
	}
	p.Document, p.Raw = object, body
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
