package proof

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Collision is why a reserved route cannot be added to a snapshot: one of the snapshot's entities has a reserved name or id.
type Collision struct {
	Kind     string // singular: route or plugin
	Name, ID string // of the entity; a name can be empty
	Field    string // id, name or route: which of its values is reserved
}

// Error names the entity.
func (c *Collision) Error() string {
	return fmt.Sprintf("%s %q (%s): its %s is reserved for the proof of serving", c.Kind, c.Name, c.ID, c.Field)
}

// Reserved reports whether an entity of a kind, given in the plural, has a reserved id or name. Callers that accept entities refuse these;
// Insert does too.
func Reserved(kind, id, name string) bool {
	switch kind {
	case "routes":
		return id == RouteID || name == RouteName
	case "plugins":
		return id == preFunctionID || id == requestTerminationID || id == ipRestrictionID
	}
	return false
}

// collision searches the lines of canonical bytes. It is fast as long as none of the reserved words occurs.
func collision(canonical []byte) error {
	words := []string{RouteName, RouteID, preFunctionID, requestTerminationID, ipRestrictionID}
	if !slices.ContainsFunc(words, func(word string) bool { return bytes.Contains(canonical, []byte(word)) }) {
		return nil
	}
	kind := ""
	for line := range bytes.Lines(canonical) {
		if bytes.HasPrefix(line, []byte(`"`)) { // a key, see insertionPoint
			name, _, _ := bytes.Cut(line[1:], []byte(`"`))
			kind = string(name)
			continue
		}
		if kind != "routes" && kind != "plugins" {
			continue
		}
		var e struct {
			ID    string
			Name  string
			Route struct{ ID string }
		}
		if json.Unmarshal(bytes.TrimRight(line, ",\n"), &e) != nil {
			continue // the end of a section
		}
		c := &Collision{Kind: kind[:len(kind)-1], Name: e.Name, ID: e.ID}
		switch {
		case Reserved(kind, e.ID, ""):
			c.Field = "id"
		case Reserved(kind, "", e.Name):
			c.Field = "name"
		case kind == "plugins" && e.Route.ID == RouteID:
			c.Field = "route"
		default:
			continue
		}
		return c
	}
	return nil
}
