package schema

import "slices"

// Generated returns the fields of a plugin that are missing and that Kong would generate at each load, each gateway for itself: the secret
// that signs a session, the key that provisions tokens. The schema marks them: auto, or an encrypted default. A gateway takes such a
// plugin, so Check reports nothing.
func (b *Bundle) Generated(kind string, entity map[string]any) []Path {
	name, _ := entity["name"].(string)
	r := b.plugins[name]
	if kind != "plugin" || r == nil || r.fields["config"] == nil {
		return nil
	}
	var found []Path
	config, _ := table(entity["config"])
	generatedIn(r.fields["config"].rec, config, Path{{Name: "config"}}, &found)
	slices.SortFunc(found, Path.compare)
	return found
}

// generatedIn checks the fields of a record, and of the records in it that are present or that Kong fills in.
func generatedIn(r *record, values object, at Path, found *[]Path) {
	if r == nil {
		return
	}
	for name, f := range r.fields {
		path, value := append(slices.Clone(at), Step{Name: name}), values[name]
		switch {
		case f.generated && value == nil:
			*found = append(*found, path)
		case f.rec != nil && (value != nil || f.required || f.hasDefault):
			inner, _ := table(value)
			generatedIn(f.rec, inner, path, found)
		case f.elements != nil && f.elements.rec != nil:
			list, _ := value.([]any)
			for i, item := range list {
				inner, _ := table(item)
				generatedIn(f.elements.rec, inner, append(slices.Clone(path), Step{Position: i}), found)
			}
		}
	}
}
