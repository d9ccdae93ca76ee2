package changes

import (
	"regexp"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kong/entity"
	"github.com/silverback-gateway/silverback/kong/schema"
)

// view is what is known about who may see the values at one place of an entity.
type view struct {
	table  *entity.Field // what the table of kinds has; nil: nothing
	core   bool          // the table describes the value, and not only that it exists
	places []schema.Place
	config bool   // the configuration of a plugin or a vault: always a record, so that the names in it are the plugin's, not the user's
	last   string // the last name of the path
	path   []string
}

// opens reports whether the names within a record or a map may be shown.
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

// in returns the view of a field of a record, or of a value of a map.
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

// shows reports whether a value may be shown as a whole.
func (v view) shows(value any) bool {
	switch value := value.(type) {
	case nil:
		return !v.marked() // a missing value is no secret
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
		return true // it locates a secret and holds none
	}
	if marked || !v.open() {
		return false
	}
	return !isText || !v.sensitive(text)
}

// open reports whether the table or a schema describes a scalar here.
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
	// userInfo matches a name and a password in an address.
	userInfo = regexp.MustCompile(`//[^/?#\s]*@`)
	// secretNames matches names of headers and fields whose values are secrets whatever a schema declares.
	secretNames = regexp.MustCompile(
		`(?i)passw|passphrase|secret|token|authorization|credential|private.?key|api.?key|apikey|signature|^(set-)?cookie$|bearer|session.?id`)
	payloads = []string{"headers", "querystring", "body", "json_types", "custom_fields_by_lua"}
)

// sensitive reports values that are secret whatever the schemas declare. Their marks have gaps: Kong marks no header that a plugin adds,
// and no password in an address.
func (v view) sensitive(text string) bool {
	if strings.Contains(text, "PRIVATE KEY-----") || userInfo.MatchString(text) {
		return true
	}
	if v.core && v.table.Type == entity.String && len(v.path) == 0 {
		return false // a field of the entity itself, which the table does not mark
	}
	if secretNames.MatchString(v.last) {
		return true
	}
	within := slices.Concat(v.path, []string{v.last})
	if !slices.ContainsFunc(within, func(name string) bool { return slices.Contains(payloads, name) }) {
		return false
	}
	// Values on which requests are matched are shown. Values that are sent are not.
	return !v.core || slices.Contains(within, "healthchecks")
}
