package desired

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/wire"
	"github.com/silverback-gateway/silverback/kong/compile"
)

// refused is the fault of a configuration with problems.
func refused(problems []compile.Problem) *fault.Error {
	message := problems[0].String()
	if len(problems) > 1 {
		message = fmt.Sprintf("%s (and %d more problems)", message, len(problems)-1)
	}
	e := fault.New(fault.Invalid, "INVALID_CONFIG", "%s", message)
	e.Problems = wire.ProblemMessages(problems)
	return e
}

// refuse is the fault of documents that cannot be read. It adds the problems that the rest of the group and the schemas show, so that one
// answer is enough.
func (d *Service) refuse(
	ctx context.Context, group fleet.GroupID, source fleet.SourceID, documents []compile.Document, fragment *compile.Fragment,
	problems []compile.Problem,
) error {
	if fragment == nil {
		return refused(problems)
	}
	fragments := map[fleet.SourceID]*compile.Fragment{}
	if group != "" {
		state, err := d.Ledger.Read(ctx, group)
		if err != nil {
			return refused(problems)
		}
		var lost []fleet.SourceID
		if fragments, lost, _, err = d.fragmentsLeft(ctx, state.Sources, source); err != nil || len(lost) > 0 {
			return refused(problems) // what refers to other sources could seem to be wrong
		}
	}
	fragments[source] = fragment
	return d.refuseAll(ctx, group, source, documents, fragments, problems)
}

// refuseMerge adds to the problems of a merge those that the schemas of the group's gateways show.
func (d *Service) refuseMerge(
	ctx context.Context, group fleet.GroupID, source fleet.SourceID, documents []compile.Document,
	fragments map[fleet.SourceID]*compile.Fragment, err error,
) error {
	var f *fault.Error
	if !errors.As(err, &f) || f.Reason != "INVALID_CONFIG" {
		return err
	}
	return d.refuseAll(ctx, group, source, documents, fragments, nil)
}

func (d *Service) refuseAll(
	ctx context.Context, group fleet.GroupID, source fleet.SourceID, documents []compile.Document,
	fragments map[fleet.SourceID]*compile.Fragment, problems []compile.Problem,
) error {
	draft, more := d.Compiler.Draft(fragments)
	problems = slices.Concat(problems, withoutSource(more, source))
	if group != "" && d.Schemas != nil && d.SchemaCheck == Refuse {
		v, err := draft.Validate(ctx, source, validatorsOf(d.Schemas.Of(ctx, group)))
		if err != nil {
			return fmt.Errorf("check by schemas: %w", err)
		}
		d.Compiler.Locate(documents, v.Problems)
		if len(v.Problems) > 0 {
			d.Metrics.checked("refused")
		}
		problems = append(problems, withoutSource(v.Problems, source)...)
	}
	return refused(compile.Ordered(problems))
}

// tooLarge is the fault of a configuration over a limit. Retrying does not help.
func tooLarge(reason, message string) *fault.Error {
	e := refused([]compile.Problem{{Class: compile.Limit, Message: message}})
	e.Reason = reason
	return e
}

// withoutSource clears the source of problems in the submitted documents: the names of the documents are enough.
func withoutSource(problems []compile.Problem, submitted fleet.SourceID) []compile.Problem {
	for i := range problems {
		if problems[i].Source == submitted {
			problems[i].Source = ""
		}
		if o := problems[i].Other; o != nil && o.Source == submitted {
			o.Source = ""
		}
	}
	return problems
}
