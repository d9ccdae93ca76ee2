package resource

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/changes"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/rpc"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// maxLocated is how many entities one call to the translator asks for.
const maxLocated = 1000

func describeRevision(ctx context.Context, a *app.App, group, name string) error {
	number, err := strconv.ParseInt(name, 10, 64)
	if group == "" || err != nil || number < 1 {
		return fmt.Errorf("describe revision needs -g GROUP and the number of a revision")
	}
	translator := a.Translator()
	answer, err := translator.GetRevision(ctx, &translatorv1.GetRevisionRequest{Group: group, Revision: number})
	if err != nil {
		return err
	}
	// The revision before may be deleted, and a viewer may see revisions but not their changes.
	difference, why := translator.DiffConfig(ctx, &translatorv1.DiffConfigRequest{Group: group, ToRevision: number, MaxChanges: changes.Most})
	var files []string
	if why == nil {
		files = filesOf(ctx, translator, group, number, difference.GetChanges())
	}
	r := answer.GetRevision()
	if a.Flags.Output != show.Table {
		return printRevision(a, r, difference, files, why)
	}
	a.Line(12, "Revision:   %d of group %s", r.GetNumber(), r.GetGroup())
	a.Line(12, "Digest:     %s", r.GetDigest())
	a.Line(12, "Size:       %s, %s", show.Bytes(r.GetSizeBytes()), show.Count(entityCount(r), "entity", "entities"))
	for _, k := range slices.Sorted(maps.Keys(r.GetEntities())) {
		a.Line(12, "            %d %s", r.GetEntities()[k], k)
	}
	if r.GetSource() == "" {
		a.Line(12, "Submitted:  %s by %s, for several sources", show.Time(r.GetCreateTime()), r.GetAuthor())
	} else {
		a.Line(12, "Submitted:  %s by %s as source %q", show.Time(r.GetCreateTime()), r.GetAuthor(), r.GetSource())
	}
	if r.GetRestoredRevision() > 0 {
		a.Line(12, "Restores:   revision %d", r.GetRestoredRevision())
	}
	if len(files) > 0 {
		a.Line(12, "Files:      %s", strings.Join(files, ", "))
	}
	if r.GetMessage() != "" {
		a.Line(12, "Message:    %s", r.GetMessage())
	}
	for _, s := range r.GetSources() {
		a.Line(12, "Source:     %s, %s", s.GetName(), show.Count(s.GetEntityCount(), "entity", "entities"))
	}
	a.Line(12, "Changes:    %s, against the revision before", changes.Summary(r.GetChanges()))
	if why != nil {
		a.Line(12, "            not shown: %s", rpc.Why(why))
		return nil
	}
	changes.List(a, difference)
	return nil
}

// printRevision prints a revision for programs: the translator's answer, and the changes.
func printRevision(a *app.App, r *translatorv1.Revision, difference *translatorv1.DiffConfigResponse, files []string, why error) error {
	document := struct {
		Revision   json.RawMessage `json:"revision"`
		Files      []string        `json:"files"`      // of the changed entities
		Difference *changes.Report `json:"difference"` // null when it is unknown
	}{Files: []string{}}
	document.Files = append(document.Files, files...)
	var err error
	if document.Revision, err = show.Raw(r); err != nil {
		return err
	}
	if why == nil {
		report, err := changes.ReportOf(difference)
		if err != nil {
			return err
		}
		document.Difference = &report
	}
	return show.Value(a.Out, a.Flags.Output, document)
}

// filesOf finds the files of new and changed entities. Without an answer the changes are shown without files.
func filesOf(ctx context.Context, translator translatorv1.TranslatorServiceClient, group string, revision int64,
	all []*translatorv1.Change) []string {
	request := &translatorv1.LocateEntitiesRequest{Group: group, Revision: revision}
	for _, c := range all {
		if c.GetOperation() != translatorv1.Change_OPERATION_REMOVED && len(request.GetEntities()) < maxLocated {
			request.Entities = append(request.Entities, &translatorv1.EntityRef{Kind: c.GetKind(), Id: c.GetId(), Name: c.GetName()})
		}
	}
	if len(request.GetEntities()) == 0 {
		return nil
	}
	answer, err := translator.LocateEntities(ctx, request)
	if err != nil {
		return nil
	}
	files := map[string]bool{}
	for _, o := range answer.GetOrigins() {
		if o.GetDocument() != "" {
			files[o.GetDocument()] = true
		}
	}
	return slices.Sorted(maps.Keys(files))
}
