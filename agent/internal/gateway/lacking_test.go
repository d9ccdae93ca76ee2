package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kong/entity"
	"github.com/silverback-gateway/silverback/kong/schema"
)

// TestTheEntitiesOfAKindThatTheGatewayLacksAreNamed has Kong's recorded answer about consumer groups (config-invalid/consumer-group-field).
func TestTheEntitiesOfAKindThatTheGatewayLacksAreNamed(t *testing.T) {
	g := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"code":14,"flattened_errors":{},"fields":{"consumer_groups":"unknown field"},"message":"declarative config is ` +
			`invalid: {consumer_groups=\"unknown field\"}","name":"invalid declarative configuration"}`))
	})
	posted := `{"_format_version":"3.0","consumer_groups":[{"id":"1","name":"gold"},` + "\n" + `{"id":"2","name":"iron"}],"services":[` +
		`{"id":"3","name":"shop"}]}`
	err := g.Load(t.Context(), []byte(posted), false)
	var refusal *verdict.Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("got %v", err)
	}
	want := []verdict.Problem{
		{Kind: "consumer_group", Name: "gold", ID: "1", Message: schema.UnknownKind},
		{Kind: "consumer_group", Name: "iron", ID: "2", Message: schema.UnknownKind},
	}
	if diff := cmp.Diff(want, refusal.Problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// TestEveryKindThatAGatewayMayLackIsNamed has all kinds of the Enterprise edition, and one that nobody knows.
func TestEveryKindThatAGatewayMayLackIsNamed(t *testing.T) {
	kinds := map[string]string{"strangers": "stranger"}
	for _, k := range entity.NewTable().Kinds() {
		if k.Enterprise {
			kinds[k.Name] = k.Singular
		}
	}
	if len(kinds) < 10 {
		t.Errorf("the table has %d kinds", len(kinds))
	}
	for plural, singular := range kinds {
		refused := &verdict.Refusal{Problems: []verdict.Problem{{Field: plural, Message: unknownField}}}
		posted := fmt.Sprintf(`{%q:[{"id":"1","payload":"hidden","key":"hidden"}]}`, plural)
		var told *verdict.Refusal
		if err := nameLacking(refused, []byte(posted)); !errors.As(err, &told) || len(told.Problems) != 1 || told.Problems[0].Kind != singular ||
			told.Problems[0].ID != "1" || told.Problems[0].Message != schema.UnknownKind || strings.Contains(fmt.Sprint(told), "hidden") {
			t.Errorf("%s: got %+v", plural, err)
		}
	}
}

// TestOtherUnknownFieldsStayAsTheyAre has keys without entities, fields of entities, and more entities than a refusal may name.
func TestOtherUnknownFieldsStayAsTheyAre(t *testing.T) {
	posted := []byte(`{"consumer_groups":[` + strings.Repeat(`{"id":"1"},`, 50) + `{"id":"2"}]}`)
	for _, c := range []struct {
		given []verdict.Problem
		named int
	}{
		{[]verdict.Problem{{Field: "_info", Message: unknownField}}, 0},
		{[]verdict.Problem{{Kind: "route", Name: "r", Field: "consumer_groups", Message: unknownField}}, 0},
		{[]verdict.Problem{{Field: "consumer_groups", Message: "expected an array"}}, 0},
		{[]verdict.Problem{{Field: "consumer_groups", Message: unknownField}, {Field: "_info", Message: unknownField}}, verdict.MaxProblems},
	} {
		var told *verdict.Refusal
		if err := nameLacking(&verdict.Refusal{Problems: c.given}, posted); !errors.As(err, &told) {
			t.Fatalf("got %v", err)
		}
		named := 0
		for _, p := range told.Problems {
			if p.Kind == "consumer_group" {
				named++
			}
		}
		if named != c.named || c.named == 0 && !cmp.Equal(told.Problems, c.given) {
			t.Errorf("%+v: got %+v", c.given, told.Problems)
		}
	}
}
