package resource

import (
	"encoding/json"
	"errors"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

// A report is the status of one group for programs: the command's conclusions, and the services' answers on which they rest.
type report struct {
	Group    json.RawMessage `json:"group"`
	InSync   bool            `json:"in_sync"`
	Known    int             `json:"known"`
	Online   int             `json:"online"`
	Serving  int             `json:"serving"`  // online nodes that serve the newest revision
	Revision json.RawMessage `json:"revision"` // null when nothing was submitted
	Rollout  json.RawMessage `json:"rollout"`  // null when nothing was decided

	Pinned []json.RawMessage `json:"pinned"` // the sources that are pinned
	Lost   []lostRevision    `json:"lost"`   // revisions that gateways serve and the ledger does not have
}

func reportOf(s groupStatus) (report, error) {
	online, serving := s.counts()
	r := report{InSync: s.inSync(), Known: len(s.nodes), Online: online, Serving: serving, Pinned: []json.RawMessage{},
		Lost: append([]lostRevision{}, s.lost...)}
	problems := make([]error, 3)
	r.Group, problems[0] = show.Raw(s.group)
	r.Revision, problems[1] = show.Raw(s.revision)
	r.Rollout, problems[2] = show.Raw(s.rollout)
	for _, s := range s.pinned {
		raw, err := show.Raw(s)
		r.Pinned, problems = append(r.Pinned, raw), append(problems, err)
	}
	return r, errors.Join(problems...)
}

// printReports prints the status of all groups as one document.
func printReports(a *app.App, all []groupStatus, ledger *distributorv1.Ledger) error {
	raw, err := show.Raw(ledger)
	if err != nil {
		return err
	}
	document := struct {
		Groups []report        `json:"groups"`
		Ledger json.RawMessage `json:"ledger"` // null when the distributor does not report it
	}{Groups: []report{}, Ledger: raw}
	for _, s := range all {
		r, err := reportOf(s)
		if err != nil {
			return err
		}
		document.Groups = append(document.Groups, r)
	}
	return show.Value(a.Out, a.Flags.Output, document)
}
