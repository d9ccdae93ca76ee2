package kubernetes

import (
	"strings"
	"testing"

	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
)

const printed = `{"config": {"_format_version": "3.0", "routes": [{"name": "shop.web.http"}]},
	"problems": [{"objects": [{"kind": "Ingress", "namespace": "shop", "name": "old"}], "reason": "Unsupported", "message": "no"}],
	"origins": [{"kind": "routes", "name": "shop.web.http", "objects": [{"kind": "Ingress", "namespace": "shop", "name": "web"},
		{"kind": "Service", "namespace": "shop", "name": "web"}, {"kind": "Ingress", "namespace": "shop", "name": "web"}]}]}`

func TestParse(t *testing.T) {
	got, err := parse([]byte(printed))
	if err != nil {
		t.Fatal(err)
	}
	if got.Document.GetName() != Document || !strings.HasPrefix(string(got.Document.GetContent()), `{"_format_version"`) {
		t.Errorf("the document is %v", got.Document)
	}
	if len(got.Problems) != 1 || got.Problems[0] != "Ingress shop/old: Unsupported: no" {
		t.Errorf("the problems are %q", got.Problems)
	}
	for _, bad := range []string{"", "no", "{}", `{"config": `} {
		if _, err := parse([]byte(bad)); err == nil || !strings.Contains(err.Error(), "one release") {
			t.Errorf("%q is read with %v", bad, err)
		}
	}
}

func TestAProblemIsMovedToItsObjects(t *testing.T) {
	translation, err := parse([]byte(printed))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, document, kind, entity, want string
		line                               int32
	}{
		{"an entity of the translation", Document, "route", "shop.web.http", "Ingress shop/web, Service shop/web", 0},
		{"one that it does not know", Document, "route", "other", Document, 3},
		{"one of another source", "team-a.yaml", "route", "shop.web.http", "team-a.yaml", 3},
	} {
		p := &fleetv1.Problem{Document: tt.document, Kind: tt.kind, Name: tt.entity, Line: 3}
		if translation.Place(p); p.GetDocument() != tt.want || p.GetLine() != tt.line {
			t.Errorf("%s: it is at %q, line %d", tt.name, p.GetDocument(), p.GetLine())
		}
	}
	translation.Place(nil)
}

func TestSettingsBecomeArguments(t *testing.T) {
	got, err := Settings{"router-flavor=expressions", "drain", "ingress-class="}.arguments()
	if want := "-router-flavor=expressions -drain -ingress-class="; err != nil || strings.Join(got, " ") != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	for _, bad := range []string{"", "-drain", "output=json", "origins", "strict", "help", "a b", "A=1", "x\x00"} {
		if got, err := (Settings{bad}).arguments(); err == nil || !strings.Contains(err.Error(), "--kubernetes-setting") {
			t.Errorf("%q becomes %q, %v", bad, got, err)
		}
	}
	if s := (Settings{"drain", "router-flavor=x"}); !s.Has("drain") || !s.Has("router-flavor") || s.Has("router") {
		t.Errorf("%v", s)
	}
}
