package compile

import (
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/silverback-gateway/silverback/kit/schema"
)

// A Judge checks one entity, in the form in which a gateway gets it, as a kind of gateway would. It is safe for concurrent use.
type Judge interface {
	// Name is how people call the kind of gateway, such as "Kong 3.9.3".
	Name() string
	// Check returns why the gateway would refuse an entity of a kind, in the singular. The messages hold no values. It keeps and changes
	// nothing of the entity.
	Check(kind string, entity map[string]any) []schema.FieldError
}

// alone is how many entities are checked without help.
const alone = 64

// Judge puts the entities of one source before every judge. The problems stand where their entities begin; see Locate. With several
// judges, the messages name those that refuse.
func (r *Result) Judge(source SourceID, judges []Judge) []Problem {
	if len(judges) == 0 {
		return nil
	}
	var mine []int
	for i := range r.Origins {
		if r.Origins[i].Source == source {
			mine = append(mine, i)
		}
	}
	workers := min(runtime.GOMAXPROCS(0), 1+len(mine)/alone)
	found := make([][]Problem, workers)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			// Neighbours share what a processor has at hand.
			for _, i := range mine[len(mine)*w/workers : len(mine)*(w+1)/workers] {
				if found[w] = append(found[w], r.judge(i, judges)...); len(found[w]) > 100*maxProblems {
					return
				}
			}
		})
	}
	all.Wait()
	if problems := slices.Concat(found...); len(problems) > 0 {
		return finish(problems)
	}
	return nil
}

func (r *Result) judge(i int, judges []Judge) []Problem {
	var (
		problems []Problem
		refusing [][]string
		e, from  = &r.Entities[i], &r.Origins[i]
	)
	entity, ok := decode(string(e.JSON))
	if !ok {
		return nil // it was written by this package, so this does not happen
	}
	for _, j := range judges {
		for _, why := range j.Check(from.Kind, entity) {
			p := Problem{
				Source: from.Source, Document: from.Document, Line: from.Line, Column: from.Column, Kind: from.Kind, Name: from.Name,
				ID: e.ID, Field: fieldOf(why.Path), Class: classOf(why.Rule), Message: why.Message,
			}
			at := slices.IndexFunc(problems, func(have Problem) bool {
				return have.Field == p.Field && have.Class == p.Class && have.Message == p.Message
			})
			if at < 0 {
				problems, refusing, at = append(problems, p), append(refusing, nil), len(problems)
			}
			refusing[at] = append(refusing[at], j.Name())
		}
	}
	if len(judges) > 1 {
		for at := range problems {
			problems[at].Message += " (" + strings.Join(slices.Compact(refusing[at]), ", ") + " of this group's nodes)"
		}
	}
	return problems
}

// fieldOf writes a path as problems have it, without control characters.
func fieldOf(path schema.Path) string {
	var b strings.Builder
	for _, s := range path {
		if s.Name == "" && !s.Key {
			b.WriteString("[" + strconv.Itoa(s.Position) + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(printable(s.Name))
	}
	return b.String()
}

func classOf(r schema.Rule) Class {
	switch r {
	case schema.UnknownField:
		return UnknownField
	case schema.WrongType:
		return WrongType
	case schema.MissingField:
		return MissingField
	case schema.Unsupported:
		return Unsupported
	}
	return BadValue
}
