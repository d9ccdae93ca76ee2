package resource

import (
	"bytes"
	"testing"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

func TestLinesAreDocumentsOfTheirOwn(t *testing.T) {
	for format, want := range map[show.Format]string{
		show.YAML:  "---\nname: a\n---\nname: b\n",
		show.JSON:  "{\n  \"name\": \"a\"\n}\n{\n  \"name\": \"b\"\n}\n",
		show.Table: "GROUP\na\nb\n",
	} {
		var b bytes.Buffer
		l := newLines(&app.App{Out: &b, Flags: app.Flags{Output: format}}, []string{"GROUP"})
		for _, name := range []string{"a", "b"} {
			if err := l.print(&registryv1.Group{Name: name}, []string{name}); err != nil {
				t.Fatal(err)
			}
		}
		if b.String() != want {
			t.Errorf("%s: %q, want %q", format, b.String(), want)
		}
	}
}
