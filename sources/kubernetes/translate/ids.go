package translate

import (
	"strings"

	"github.com/google/uuid"

	"github.com/silverback-gateway/silverback/sources/kubernetes/declarative"
)

// entities is the root of the namespaces of derived ids, as go-kong has it.
var entities = uuid.MustParse("fd02801f-0957-4a15-a55a-c8d9606f30b5")

// id derives the id of an entity from the plural of its kind and its natural key.
func (t *translation) id(kind, key string) string {
	if key == "" {
		return ""
	}
	if t.Workspace != "" {
		key = t.Workspace + "/" + key
	}
	return uuid.NewSHA1(uuid.NewSHA1(entities, []byte(kind)), []byte(key)).String()
}

// pluginKey is the natural key of a plugin: its name and what it is attached to.
func pluginKey(p declarative.Plugin) string {
	var key strings.Builder
	key.WriteString(p.Name)
	for _, scope := range []struct{ kind, name string }{
		{"service", p.Service}, {"route", p.Route}, {"consumer", p.Consumer}, {"consumer_group", p.ConsumerGroup},
	} {
		if scope.name != "" {
			key.WriteString(":" + scope.kind + "/" + scope.name)
		}
	}
	return key.String()
}
