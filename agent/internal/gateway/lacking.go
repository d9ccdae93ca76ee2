package gateway

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kong/entity"
	"github.com/silverback-gateway/silverback/kong/schema"
)

// unknownField is Kong's word for a key that it does not have.
const unknownField = "unknown field"

// nameLacking names the entities of kinds that the gateway does not have, as the open-source edition lacks those of the Enterprise edition:
// of such a kind Kong says only that its key is an unknown field (fact F19), and whoever wrote the entities would not learn which they are.
func nameLacking(err error, posted []byte) error {
	var refusal *verdict.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	of := map[string][]verdict.Problem{}
	for _, p := range refusal.Problems {
		if p.Kind == "" && p.Message == unknownField {
			of[p.Field] = nil
		}
	}
	if len(of) == 0 {
		return err
	}
	table := entity.NewTable()
	eachEntity(posted, func(plural string, text json.RawMessage) {
		if known, asked := of[plural]; asked && len(known) < verdict.MaxProblems {
			of[plural] = append(known, named(table.Kind(plural), plural, text))
		}
	})
	var problems []verdict.Problem
	for _, p := range refusal.Problems {
		if found := of[p.Field]; p.Kind == "" && len(found) > 0 {
			problems = append(problems, found...)
		} else {
			problems = append(problems, p)
		}
	}
	return &verdict.Refusal{Problems: slices.Clip(problems[:min(len(problems), verdict.MaxProblems)])}
}

// named is the problem of an entity. Kind is nil for one that the table does not have.
func named(kind *entity.Kind, plural string, text json.RawMessage) verdict.Problem {
	p := verdict.Problem{Kind: strings.TrimSuffix(plural, "s"), Message: schema.UnknownKind}
	var fields map[string]any
	_ = json.Unmarshal(text, &fields) // without fields the kind alone is told
	id, _ := fields["id"].(string)
	p.ID = clip(id)
	if kind != nil {
		p.Kind = kind.Singular
		name, _ := fields[kind.NameField].(string)
		p.Name = clip(name)
	}
	return p
}
