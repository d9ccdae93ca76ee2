package resource

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

func TestLinesAreDocumentsOfTheirOwn(t *testing.T) {
	for format, want := range map[show.Format]string{
		show.YAML:  "---\nadded: 1\nchanged: 0\nremoved: 0\n---\nadded: 2\nchanged: 0\nremoved: 0\n",
		show.JSON:  "{\"added\":1,\"changed\":0,\"removed\":0}\n{\"added\":2,\"changed\":0,\"removed\":0}\n",
		show.Table: "ADDED\n1\n2\n",
	} {
		var b bytes.Buffer
		l := newLines(&app.App{Out: &b, Flags: app.Flags{Output: format}}, []string{"ADDED"}, 0)
		for n := range int64(2) {
			if err := l.print(&translatorv1.ChangeSummary{Added: n + 1}, []string{fmt.Sprint(n + 1)}); err != nil {
				t.Fatal(err)
			}
		}
		if b.String() != want {
			t.Errorf("%s: %q, want %q", format, b.String(), want)
		}
	}
}
