package fleet

import "strings"

// HasLabel reports whether labels hold a key=value. A text without an equals sign is a key with an empty value.
func HasLabel(labels map[string]string, label string) bool {
	key, want, _ := strings.Cut(label, "=")
	value, ok := labels[key]
	return ok && value == want
}
