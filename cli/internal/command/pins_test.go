package command_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/kit/fault"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// pinned is a fleet whose source default a rollout pinned, and whose source audit is pinned by hand.
type pinned struct {
	screenFleet
	mu    sync.Mutex
	asked []string
}

func (p *pinned) ask(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, fmt.Sprintf(format, args...))
}

func (p *pinned) calls() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	calls := strings.Join(p.asked, "; ")
	p.asked = nil
	return calls
}

func (p *pinned) pin() *translatorv1.Pin {
	return &translatorv1.Pin{Reason: "gw-1 refuses plugin \"acl\"\x1b[31m", Author: "silverback", CreateTime: screenAge(time.Minute),
		Rollout: "r7", GoodRevision: 5, RefusedRevision: 6, RefusedDigest: "sha256:0123456789abcdef",
		Problems: []*fleetv1.Problem{{Document: "team-a.yaml",
			Line: 14, Kind: "plugin", Name: "acl", Field: "config.allow", Message: "required field missing"}}}
}

func (p *pinned) ListSources(context.Context, *translatorv1.ListSourcesRequest) (*translatorv1.ListSourcesResponse, error) {
	return &translatorv1.ListSourcesResponse{Sources: []*translatorv1.Source{
		{Group: "default", Name: "audit", Revision: 2, Author: "ann", UpdateTime: screenAge(time.Minute), EntityCount: 3,
			Pin: &translatorv1.Pin{Reason: "the audit looks at it", Author: "ann", CreateTime: screenAge(time.Minute), GoodRevision: 2}},
		{Group: "default", Name: "default", Revision: 7, Author: "silverback", UpdateTime: screenAge(time.Minute), EntityCount: 9, Pin: p.pin()},
		{Group: "default", Name: "free", Revision: 1, Author: "bob", UpdateTime: screenAge(time.Minute), EntityCount: 1},
	}}, nil
}

func (p *pinned) GetSource(ctx context.Context, r *translatorv1.GetSourceRequest) (*translatorv1.GetSourceResponse, error) {
	all, _ := p.ListSources(ctx, nil)
	i := slices.IndexFunc(all.GetSources(), func(s *translatorv1.Source) bool { return s.GetName() == r.GetSource() })
	return &translatorv1.GetSourceResponse{Source: all.GetSources()[i]}, nil
}

func (p *pinned) PinSource(_ context.Context, r *translatorv1.PinSourceRequest) (*translatorv1.PinSourceResponse, error) {
	p.ask("pin %s of %s: %s, id %t", r.GetSource(), r.GetGroup(), r.GetReason(), r.GetRequestId() != "")
	return &translatorv1.PinSourceResponse{Source: &translatorv1.Source{Pin: &translatorv1.Pin{GoodRevision: 7}}}, nil
}

func (p *pinned) UnpinSource(_ context.Context, r *translatorv1.UnpinSourceRequest) (*translatorv1.UnpinSourceResponse, error) {
	p.ask("unpin %s of %s: %s, shrink %t", r.GetSource(), r.GetGroup(), r.GetReason(), r.GetAllowShrink())
	answer := &translatorv1.UnpinSourceResponse{Revision: p.revision()}
	answer.Revision.Changes = &translatorv1.ChangeSummary{Added: 2}
	switch r.GetSource() {
	case "free":
		answer.Source, answer.Unchanged = &translatorv1.Source{}, true
	case "default":
		answer.Source = &translatorv1.Source{}
		answer.Warnings = []*fleetv1.Problem{{Message: "mind the routes"}}
	}
	return answer, nil
}

func (p *pinned) RestoreSources(_ context.Context, r *translatorv1.RestoreSourcesRequest) (*translatorv1.RestoreSourcesResponse, error) {
	p.ask("restore %v of %s to %d from %d: %s, force %t, shrink %t, dry %t", r.GetSources(), r.GetGroup(), r.GetToRevision(),
		r.GetFromRevision(), r.GetReason(), r.GetForce(), r.GetAllowShrink(), r.GetValidateOnly())
	answer := &translatorv1.RestoreSourcesResponse{Revision: p.revision(), Changes: &translatorv1.ChangeSummary{Changed: 1, Removed: 2},
		Restored: []string{"audit", "default"}}
	switch r.GetToRevision() {
	case 7:
		answer.Unchanged = true
	case 4:
		return nil, fault.ToStatus(fault.New(fault.WrongState, "SOURCE_CHANGED", "source \"default\" was changed since revision 7, by bob")).Err()
	}
	return answer, nil
}

func (p *pinned) SubmitConfig(context.Context, *translatorv1.SubmitConfigRequest) (*translatorv1.SubmitConfigResponse, error) {
	return &translatorv1.SubmitConfigResponse{Revision: p.revision(), Unchanged: true, HeldBack: p.pin(),
		Warnings: []*fleetv1.Problem{{Message: "nothing was changed: source \"default\" is pinned"}}}, nil
}

// servePinned serves a fleet and returns how to run a command against it.
func servePinned(t *testing.T) (p *pinned, silverback func(args ...string) (code int, out, errs string)) {
	t.Helper()
	p = &pinned{screenFleet: screenFleet{gateways: 1}}
	address := serve(t, func(s *grpc.Server) {
		registryv1.RegisterRegistryServiceServer(s, p)
		translatorv1.RegisterTranslatorServiceServer(s, p)
		distributorv1.RegisterRolloutServiceServer(s, p)
	})
	return p, func(args ...string) (int, string, string) {
		return run(address, append(args, "--registry", address, "--distributor", address)...)
	}
}

func TestPinsAreSetTakenAwayAndRolledBackTo(t *testing.T) {
	t.Parallel()
	p, silverback := servePinned(t)
	for _, tt := range []struct {
		args      []string
		code      int
		calls     string
		out, errs string
	}{
		{[]string{"pin", "audit", "-g", "default", "--reason", "look at it"}, app.ExitDone, "pin audit of default: look at it, id true",
			"source \"audit\" of group \"default\" is pinned by hand to its content of revision 7\n", ""},
		{[]string{"pin", "audit", "-g", "default"}, app.ExitError, "", "", "reason"},
		{[]string{"pin", "-g", "default", "--reason", "x"}, app.ExitError, "", "", "the name of one source"},
		{[]string{"unpin", "default", "-g", "default", "--reason", "fixed"}, app.ExitDone, "unpin default of default: fixed, shrink false",
			"source \"default\" of group \"default\" is not pinned, and has the content that the pin held back: revision 7 committed: 2 added, 0 " +
				"changed, 0 removed\n", "warning: mind the routes\n"},
		{[]string{"unpin", "free", "-g", "default", "--reason", "x", "--allow-shrink"}, app.ExitDone, "unpin free of default: x, shrink true",
			"source \"free\" of group \"default\" is not pinned; revision 7 stays\n", ""},
		{[]string{"unpin", "gone", "-g", "default", "--reason", "x"}, app.ExitDone, "unpin gone of default: x, shrink false",
			"source \"gone\" of group \"default\" is deleted, as its pin held back: revision 7 committed: 2 added, 0 changed, 0 removed\n", ""},
		{[]string{"rollback", "-g", "default", "--to", "5"}, app.ExitDone,
			"restore [] of default to 5 from 7: back to revision 5, force false, shrink false, dry false",
			"default: revision 7 committed (76cd36626d1a) with the content of revision 5 of audit, default: 0 added, 1 changed, 2 removed\n", ""},
		{[]string{"rollback", "-g", "default", "--to", "5", "-s", "audit", "-s", "default", "-m", "INC-42", "--from", "6", "--force",
			"--allow-shrink", "--dry-run", "--wait"}, app.ExitDone,
			"restore [audit default] of default to 5 from 6: INC-42, force true, shrink true, dry true",
			"dry run: 0 added, 1 changed, 2 removed, by the content of revision 5 of audit, default; nothing was committed\n", ""},
		{[]string{"rollback", "-g", "default", "--to", "7", "--reason", "x"}, app.ExitDone,
			"restore [] of default to 7 from 7: x, force false, shrink false, dry false",
			"unchanged: default stays at revision 7, which has the content of revision 7\n", ""},
		{[]string{"rollback", "-g", "default", "--to", "4"}, app.ExitError,
			"restore [] of default to 4 from 7: back to revision 4, force false, shrink false, dry false", "",
			"error: source \"default\" was changed since revision 7, by bob\n"},
		{[]string{"rollback", "-g", "default"}, app.ExitError, "", "", "to"},
		{[]string{"rollback", "-g", "default", "--to", "-1"}, app.ExitError, "", "", "--to 0 is an empty group"},
	} {
		code, out, errs := silverback(tt.args...)
		if calls := p.calls(); code != tt.code || calls != tt.calls || out != tt.out || !strings.Contains(errs, tt.errs) {
			t.Errorf("%v ended with %d, calls %q,\n%s\nand %q", tt.args, code, calls, out, errs)
		}
	}
	code, out, _ := silverback("rollback", "-g", "default", "--to", "5", "-o", "json")
	if code != app.ExitDone || !strings.Contains(out, `"restored": [`) {
		t.Errorf("as JSON: %d, %s", code, out)
	}
}

func TestPinsAreShown(t *testing.T) {
	t.Parallel()
	_, silverback := servePinned(t)
	_, out, _ := silverback("get", "sources", "-g", "default")
	var marks []string
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		marks = append(marks, strings.Join(strings.Fields(line)[5:], " "))
	}
	if want := []string{"ENTITIES PIN", "3 hand", "9 rollout", "1 -"}; !slices.Equal(marks, want) {
		t.Errorf("get sources shows %q:\n%s", marks, out)
	}
	_, out, _ = silverback("describe", "source", "default", "-g", "default")
	for _, want := range []string{
		"Pinned:     to its content of revision 5 by rollout r7 (silverback), 2026-11-29 1",
		"Reason:     gw-1 refuses plugin \"acl\"\uFFFD[31m\n",
		"Held back:  its content of revision 6 (0123456789ab)\n",
		"Refused:    team-a.yaml:14: plugin \"acl\": config.allow: required field missing\n",
		"Ends with:  a corrected submission, or silverback unpin default -g default --reason WHY\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("describe source does not say %q:\n%s", want, out)
		}
	}
	_, out, _ = silverback("describe", "source", "audit", "-g", "default")
	if !strings.Contains(out, "Pinned:     to its content of revision 2 by ann, by hand, 2") || strings.Contains(out, "Held back") ||
		!strings.Contains(out, "Ends with:  silverback unpin audit") {
		t.Errorf("describe source of one that is pinned by hand:\n%s", out)
	}
	_, out, _ = silverback("describe", "source", "free", "-g", "default")
	if strings.Contains(out, "Pinned") {
		t.Errorf("describe source of one that is not pinned:\n%s", out)
	}
}

func TestStatusEndsWithThePins(t *testing.T) {
	t.Parallel()
	_, silverback := servePinned(t)
	code, out, errs := silverback("status")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != app.ExitDone || errs != "" || len(lines) < 2 ||
		!strings.HasPrefix(lines[len(lines)-2], "  pinned    audit: to its content of revision 2 by ann, by hand, ") ||
		!strings.HasPrefix(lines[len(lines)-1], "  pinned    default: to its content of revision 5 by rollout r7 (silverback), ") ||
		!strings.Contains(out, `gw-1 refuses plugin "acl"`) || strings.Contains(out, "free") {
		t.Errorf("status ended with %d, %q and\n%s", code, errs, out)
	}
	_, out, _ = silverback("status", "-o", "json")
	if !strings.Contains(out, `"pinned": [`) || !strings.Contains(out, `"rollout": "r7"`) {
		t.Errorf("as JSON:\n%s", out)
	}
}

// A submission that the pin of its source holds back is not served: --wait says so.
func TestApplyOfWhatIsHeldBack(t *testing.T) {
	t.Parallel()
	_, silverback := servePinned(t)
	config := file(t, "_format_version: '3.0'\n")
	code, out, errs := silverback("apply", "-g", "default", config)
	if code != app.ExitDone || !strings.HasPrefix(out, "unchanged: default stays at revision 7") ||
		errs != "warning: nothing was changed: source \"default\" is pinned\n" {
		t.Errorf("apply ended with %d, %q, %q", code, out, errs)
	}
	code, _, errs = silverback("apply", "-g", "default", "--wait", config)
	const held = "error: not served: source \"default\" is pinned, so the new content is held back\n"
	if code != app.ExitDifference || !strings.HasSuffix(errs, held) {
		t.Errorf("apply --wait ended with %d, %q", code, errs)
	}
}
