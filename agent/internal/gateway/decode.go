package gateway

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
)

func messageOf(body []byte) string {
	var answer struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(body, &answer)
	return answer.Message
}

// flattened is one element of flattened_errors (fact F12). The entity is read only to remove its values from messages.
type flattened struct {
	Entity     json.RawMessage `json:"entity"`
	EntityType string          `json:"entity_type"`
	EntityName any             `json:"entity_name"`
	EntityID   any             `json:"entity_id"`
	Errors     []struct {
		Type    string `json:"type"`
		Field   any    `json:"field"`
		Message any    `json:"message"`
	} `json:"errors"`
}

// decode reads the body of a 400 in any of its shapes (facts F10 and F11). It always returns at least one problem.
func decode(body []byte) []verdict.Problem {
	var answer struct {
		Message   string          `json:"message"`
		Fields    map[string]any  `json:"fields"`
		Flattened json.RawMessage `json:"flattened_errors"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		answer.Message = messageOf(body)
	}
	var problems []verdict.Problem
	// An object when there are none, an array otherwise.
	var list []flattened
	if json.Unmarshal(answer.Flattened, &list) == nil {
		for _, f := range list {
			problems = append(problems, f.problems()...)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(answer.Fields)) {
		problems = append(problems, topLevel(key, answer.Fields[key])...)
	}
	if len(problems) == 0 {
		problems = []verdict.Problem{{Message: summary(answer.Message)}}
	}
	return problems[:min(len(problems), verdict.MaxProblems)]
}

// summary is the message when Kong gives no details. Kong's message repeats fields with their values, so only the part before
// them is kept.
func summary(message string) string {
	if before, _, ok := strings.Cut(message, ": {"); ok {
		message = before
	}
	switch {
	case message == "":
		return "the gateway refused the configuration without a reason"
	case strings.Contains(message, "pars"):
		return "the gateway could not parse the configuration" // the parser's message quotes the text
	}
	return clip(message) + ", without a reason"
}

func (f flattened) problems() []verdict.Problem {
	name, _ := f.EntityName.(string)
	id, _ := f.EntityID.(string)
	hide := newScrubber(f.EntityType, f.Entity)
	var problems []verdict.Problem
	for _, e := range f.Errors {
		field, _ := e.Field.(string)
		if e.Type == "entity" {
			field = ""
		}
		for _, leaf := range leaves("", e.Message) {
			problems = append(problems, verdict.Problem{
				Kind: f.EntityType, Name: clip(name), ID: clip(id), Field: fieldPath(field), Message: hide.scrub(field, leaf.text),
			})
		}
	}
	if len(problems) == 0 {
		problems = []verdict.Problem{{Kind: f.EntityType, Name: clip(name), ID: clip(id), Message: "refused without a reason"}}
	}
	return problems
}

// topLevel reads one member of fields: about a top-level key, or about the entities under it, as a text, an array with
// holes, or an object by the entity's name.
func topLevel(key string, value any) []verdict.Problem {
	if text, ok := value.(string); ok {
		if key == "error" { // not a field: the parser's words
			return []verdict.Problem{{Message: newScrubber("", nil).scrub("", text)}}
		}
		return []verdict.Problem{{Field: clip(key), Message: clip(text)}}
	}
	kind := strings.TrimSuffix(key, "s")
	hide := newScrubber(kind, nil)
	var problems []verdict.Problem
	add := func(name string, value any) {
		for _, leaf := range leaves("", value) {
			hide := hide
			if nested.MatchString(leaf.path) {
				hide.secretKind = true // entities within entities are filed under the outermost
			}
			problems = append(problems, verdict.Problem{Kind: kind, Name: clip(name), Field: fieldPath(leaf.path),
				Message: hide.scrub(leaf.path, leaf.text)})
		}
	}
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			if element != nil {
				add("", element)
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			shown := name
			if hide.secretKind {
				shown = "" // credentials are filed under their key
			}
			add(shown, value[name])
		}
	}
	return problems
}

var nested = regexp.MustCompile(`(^|\.)(plugins|config|[a-z0-9_]*(credentials|secrets|keys|certificates))(\.|$)`)

type leaf struct{ path, text string }

func leaves(path string, value any) []leaf {
	switch value := value.(type) {
	case string:
		return []leaf{{path, value}}
	case []any:
		var all []leaf
		for i, element := range value {
			at := path
			if path != "" { // messages about a whole entity come in a list of their own
				at = path + "." + strconv.Itoa(i+1)
			}
			all = append(all, leaves(at, element)...)
		}
		return all
	case map[string]any:
		var all []leaf
		for _, key := range slices.Sorted(maps.Keys(value)) {
			at := strings.TrimPrefix(path+"."+key, ".")
			if key == "@entity" {
				at = path
			}
			all = append(all, leaves(at, value[key])...)
		}
		return all
	}
	return nil
}

// fieldPath turns Kong's paths.1 into paths[0].
func fieldPath(field string) string {
	var path strings.Builder
	for i, step := range strings.Split(field, ".") {
		if n, err := strconv.Atoi(step); err == nil && n > 0 && i > 0 {
			path.WriteString("[" + strconv.Itoa(n-1) + "]")
			continue
		}
		if i > 0 {
			path.WriteByte('.')
		}
		path.WriteString(step)
	}
	return clip(path.String())
}
