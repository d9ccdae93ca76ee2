package changes

import (
	"regexp"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kong/entity"
	"github.com/silverback-gateway/silverback/kong/schema"
)

// view is what is known of who may see the values at one place of an entity.
type view struct {
	table  *entity.Field // what the table of kinds says; nil: nothing
	core   bool          // the table describes the value, and not only that there is one
	places []schema.Place
	config bool   // the configuration of a plugin or a vault: always a record, so that the names in it are the plugin's, not the user's
	last   string // the last name on the way here
	path   []string
}

// opens says whether the names within a record or a map may be told.
func (v view) opens() bool {
	if v.marked() {
		return false
	}
	return v.config || v.core && (v.table.Type == entity.Record || v.table.Type == entity.Map) ||
		slices.ContainsFunc(v.places, schema.Place.Opens)
}

func (v view) marked() bool {
	return v.table != nil && v.table.Secret || slices.ContainsFunc(v.places, schema.Place.Marked)
}

// in is the view of a field of a record, or a value of a map.
func (v view) in(name string) view {
	next := view{last: name, path: append(slices.Clone(v.path), v.last)}
	if v.core {
		switch v.table.Type {
		case entity.Record:
			for i := range v.table.Fields {
				if v.table.Fields[i].Name == name {
					next.table = &v.table.Fields[i]
				}
			}
		case entity.Map:
			next.table = v.table.Elem
		}
		next.core = next.table != nil && next.table.Type != entity.Object && next.table.Type != entity.Any
	}
	for _, p := range v.places {
		next.places = append(next.places, p.In(name))
	}
	return next
}

func (v view) item() view {
	next := v
	next.table, next.core, next.places = nil, false, nil
	if v.core && v.table.Type == entity.List {
		next.table = v.table.Elem
		next.core = next.table != nil && next.table.Type != entity.Object && next.table.Type != entity.Any
	}
	for _, p := range v.places {
		next.places = append(next.places, p.Item())
	}
	return next
}

// shows says whether a value may be told as a whole.
func (v view) shows(value any) bool {
	switch value := value.(type) {
	case nil:
		return !v.marked() // that nothing is there is no secret
	case map[string]any:
		if len(value) > 0 && !v.opens() {
			return false
		}
		for name, inner := range value {
			if !v.in(name).shows(inner) {
				return false
			}
		}
		return !v.marked()
	case []any:
		item := v.item()
		for _, inner := range value {
			if !item.shows(inner) {
				return false
			}
		}
		return !v.marked()
	}
	text, isText := value.(string)
	marked := v.marked()
	if isText && schema.IsReference(text) && (marked || v.open()) {
		return true // where a secret is, and no part of it
	}
	if marked || !v.open() {
		return false
	}
	return !isText || !v.sensitive(text)
}

// open says whether somebody describes a scalar here.
func (v view) open() bool {
	if v.core {
		switch v.table.Type {
		case entity.String, entity.Integer, entity.Number, entity.Boolean:
			return true
		}
	}
	return slices.ContainsFunc(v.places, func(p schema.Place) bool { return p.Visibility() == schema.Public })
}

var (
	// userInfo is a name and a password in an address.
	userInfo = regexp.MustCompile(`//[^/?#\s]*@`)
	// secretNames are names of headers and fields whose values are secrets whatever a schema says of them.
	secretNames = regexp.MustCompile(
		`(?i)passw|passphrase|secret|token|authorization|credential|private.?key|api.?key|apikey|signature|^(set-)?cookie$|bearer|session.?id`)
	payloads = []string{"headers", "querystring", "body", "json_types", "custom_fields_by_lua"}
)

// sensitive is the floor under the schemas, whose marks have holes: Kong marks no header that a plugin adds, and no password in an address.
func (v view) sensitive(text string) bool {
	if strings.Contains(text, "PRIVATE KEY-----") || userInfo.MatchString(text) {
		return true
	}
	if v.core && v.table.Type == entity.String && len(v.path) == 0 {
		return false // a field of the entity itself, which the table knows to be none
	}
	if secretNames.MatchString(v.last) {
		return true
	}
	within := slices.Concat(v.path, []string{v.last})
	if !slices.ContainsFunc(within, func(name string) bool { return slices.Contains(payloads, name) }) {
		return false
	}
	// What requests are matched by is shown, what is sent is not.
	return !v.core || slices.Contains(within, "healthchecks")
}
