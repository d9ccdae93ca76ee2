package controller

import (
	"context"
	"slices"
	"time"

	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/telemetry"
	"github.com/silverback-gateway/silverback/services/distributor/internal/rollout"
)

// locateTimeout bounds how long a halt waits for the sources of the refused entities. No node gets the candidate meanwhile.
const locateTimeout = 2 * time.Second

// locate adds to each refusal the source and the document of the refused entity. When the translator does not answer, the refusals stay as
// they are.
func (l *leadership) locate(ctx context.Context, r *rollout.Rollout) []rollout.Refusal {
	refusals := slices.Clone(r.Refusals)
	request := &translatorv1.LocateEntitiesRequest{Group: string(r.Group), Revision: int64(r.Candidate.Revision)}
	for _, x := range refusals {
		if x.Problem.Kind != "" && (x.Problem.ID != "" || x.Problem.Name != "") {
			request.Entities = append(request.Entities, &translatorv1.EntityRef{Kind: x.Problem.Kind, Id: x.Problem.ID, Name: x.Problem.Name})
		}
	}
	if len(request.Entities) == 0 {
		return refusals
	}
	ctx, cancel := context.WithTimeout(ctx, locateTimeout)
	defer cancel()
	answer, err := l.Translator.LocateEntities(ctx, request)
	if err != nil {
		l.Log.Warn("refused objects not located", telemetry.Group, r.Group, telemetry.Revision, r.Candidate.Revision, telemetry.Err, rpc.Why(err))
		return refusals
	}
	for i := range refusals {
		p := &refusals[i].Problem
		for _, o := range answer.GetOrigins() {
			e := o.GetEntity()
			if e.GetKind() == p.Kind && (p.ID != "" && e.GetId() == p.ID || p.ID == "" && e.GetName() == p.Name) {
				p.Source, p.Document, p.Line = fleet.SourceID(o.GetSource()), o.GetDocument(), int(o.GetLine())
				break
			}
		}
	}
	return refusals
}
