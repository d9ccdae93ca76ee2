package changes_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/changes"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

func answer() *translatorv1.DiffConfigResponse {
	long := strings.Repeat("a", 200)
	return &translatorv1.DiffConfigResponse{
		Revision: 3, Digest: "sha256:0", Summary: &translatorv1.ChangeSummary{Added: 1, Changed: 1, Removed: 2},
		Changes: []*translatorv1.Change{
			{
				Operation: translatorv1.Change_OPERATION_ADDED, Kind: "route", Id: "r", Title: "route (GET /a, host b) of service orders",
				Parents: []*translatorv1.NamedEntity{{Kind: "service", Name: "orders", Id: "s", Title: "service orders"}},
				Values:  []*translatorv1.FieldChange{{Path: "paths", New: `["/a"]`}, {Path: "headers.Authorization", Secret: true}},
			},
			{
				Operation: translatorv1.Change_OPERATION_CHANGED, Kind: "plugin", Name: "rate-limiting", Id: "p",
				Title: "plugin rate-limiting of service orders",
				Values: []*translatorv1.FieldChange{
					{Path: "config.minute", Old: "5", New: "7"},
					{Path: "config.policy", New: `"local"`},
					{Path: "config.redis.password", Secret: true},
					{Path: "config.text", Old: `"` + long + `x"`, New: `"` + long + `y"`},
					{Path: "config.body", TooLong: true},
					{Path: "config." + long, Old: `"\u001b[2J` + long, New: "\x1b[2J\u202e" + long},
				},
				Cut: true,
			},
			{Operation: translatorv1.Change_OPERATION_REMOVED, Kind: "service", Name: "users", Id: "u", Title: "service users " + long,
				Values: []*translatorv1.FieldChange{{Path: "host", Old: `"h"`}}},
		},
	}
}

func TestPeopleReadEntitiesAndValuesIn80Columns(t *testing.T) {
	var out bytes.Buffer
	changes.List(&app.App{Out: &out}, answer())
	long := strings.Repeat("a", 200)
	want := `+ route (GET /a, host b) of service orders
    paths: ["/a"]
    headers.Authorization: (hidden)
~ plugin rate-limiting of service orders
    config.minute: 5 → 7
    config.policy: (none) → "local"
    config.redis.password: changed (hidden)
    config.text:
      - …aaaaaaaaaaaax"
      + …aaaaaaaaaaaay"
    config.body: changed (too long to show)
    config.` + long[:68] + `…
      - "\u001b[2J` + long[:61] + `…
      + ` + "\ufffd[2J\ufffd" + long[:66] + `…
    … and more
- service users ` + long[:63] + `…
… and 1 entity more
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestProgramsGetAllOfItInOneShape(t *testing.T) {
	all := answer()
	for i := range 5000 {
		all.Changes = append(all.Changes, &translatorv1.Change{Operation: translatorv1.Change_OPERATION_ADDED, Kind: "service",
			Id: fmt.Sprint(i), Title: "service"})
	}
	var out bytes.Buffer
	if err := changes.Print(&app.App{Out: &out, Flags: app.Flags{Output: show.JSON}}, all); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Revision int64 `json:"revision"`
		Changes  []any `json:"changes"`
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Revision != 3 || len(got.Changes) != 5003 {
		t.Errorf("revision %d, %d changes", got.Revision, len(got.Changes))
	}
	text, _ := json.Marshal(got.Changes[0])
	const first = `{"cut":false,"fields":[{"new":["/a"],"path":"paths","secret":false,"too_long":false},` +
		`{"path":"headers.Authorization","secret":true,"too_long":false}],"id":"r","kind":"route","name":"","operation":"OPERATION_ADDED",` +
		`"parents":[{"id":"s","kind":"service","name":"orders","title":"service orders"}],"title":"route (GET /a, host b) of service orders"}`
	if string(text) != first {
		t.Errorf("%s\nwant\n%s", text, first)
	}
	if text, _ = json.Marshal(got.Changes[4]); !strings.Contains(string(text), `"fields":[],`) {
		t.Errorf("%s", text)
	}
}
