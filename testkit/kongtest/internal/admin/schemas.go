package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/document"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/reply"
)

var schemaName = regexp.MustCompile(`^[a-z0-9_\-]+$`)

func (a *API) getSchema(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")[1:]
	folder, what := "entities", "entity"
	if len(parts) == 2 && (parts[0] == "plugins" || parts[0] == "vaults") {
		folder, what = parts[0], strings.TrimSuffix(parts[0], "s")
		parts = parts[1:]
	}
	if len(parts) != 1 || !schemaName.MatchString(parts[0]) {
		reply.JSON(w, http.StatusNotFound, reply.Message("Not found"))
		return
	}
	absent := reply.Message(fmt.Sprintf("No %s named '%s'", what, parts[0]))
	if a.SchemaDir == "" || what == "plugin" && !a.Plugins[parts[0]] {
		reply.JSON(w, http.StatusNotFound, absent)
		return
	}
	text, err := os.ReadFile(filepath.Join(a.SchemaDir, folder, parts[0]+".json"))
	if err != nil || !json.Valid(text) {
		reply.JSON(w, http.StatusNotFound, absent)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	reply.Write(w, http.StatusOK, varied(folder+"/"+parts[0], text, a.gateway.State().Start))
}

// shuffled names the schemas whose lists have another order after each start of a Kong, because it makes them from tables without order
// (F44).
var shuffled = map[string]bool{"entities/upstreams": true, "entities/keys": true, "plugins/opentelemetry": true, "plugins/zipkin": true}

// varied returns a schema as this start of the gateway shows it: the same until the next one.
func varied(name string, text []byte, start uint64) []byte {
	if !shuffled[name] && name != "plugins/session" {
		return text
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var value any
	if dec.Decode(&value) != nil {
		return text
	}
	r := rand.New(rand.NewPCG(start, 0))
	if shuffled[name] {
		shuffleLists(value, r)
	} else {
		inventSecret(value, r)
	}
	return document.Marshal(value)
}

// shuffleLists puts the fields of records, and what entity checks name, in another order.
func shuffleLists(value any, r *rand.Rand) {
	switch value := value.(type) {
	case map[string]any:
		for _, name := range []string{"fields", "mutually_exclusive", "at_least_one_of", "one_of"} {
			if list, ok := value[name].([]any); ok {
				r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			}
		}
		for _, item := range value {
			shuffleLists(item, r)
		}
	case []any:
		for _, item := range value {
			shuffleLists(item, r)
		}
	}
}

// inventSecret gives the field secret a default of this start.
func inventSecret(value any, r *rand.Rand) {
	switch value := value.(type) {
	case map[string]any:
		if field, ok := value["secret"].(map[string]any); ok && field["default"] != nil {
			field["default"] = fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())
		}
		for _, item := range value {
			inventSecret(item, r)
		}
	case []any:
		for _, item := range value {
			inventSecret(item, r)
		}
	}
}
