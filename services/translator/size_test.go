package translator_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/kit/fault"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// limits adds a node whose gateway takes so many bytes.
func (r *registry) limits(group, node string, body int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nodes = append(r.nodes, &registryv1.Node{Group: group, Name: node, Capabilities: &fleetv1.Capabilities{BodyLimitBytes: body}})
}

// What no gateway of the group takes for its size is refused at submit, with the size, the limit and what to do; what some take is a
// warning.
func TestASnapshotOverTheBodyLimitIsToldAtSubmit(t *testing.T) {
	var large strings.Builder
	large.WriteString("_format_version: \"3.0\"\nservices:\n")
	for i := range 8000 {
		fmt.Fprintf(&large, "- name: service-%05d\n  url: http://service-%05d.internal:8080/%s\n", i, i, strings.Repeat("x", 60))
	}
	p := startPlane(t, "tight", "mixed", "wide")
	r := p.replica(t)
	p.registry.limits("tight", "gw-1", 1<<20)
	p.registry.limits("mixed", "gw-1", 1<<20)
	p.registry.limits("mixed", "gw-2", 10<<20)
	p.registry.limits("wide", "gw-1", 0)

	_, err := r.submit(config("tight", "team", large.String()))
	e := wantFault(t, err, fault.Invalid, "SNAPSHOT_OVER_BODY_LIMIT")
	for _, want := range []string{"gw-1", "1048576", "nginx_admin_client_max_body_size", fmt.Sprintf("%d bytes were submitted", large.Len())} {
		if !strings.Contains(fmt.Sprint(e.Problems), want) {
			t.Errorf("the refusal does not say %q: %v", want, e.Problems)
		}
	}
	if _, err := r.submit(&translatorv1.SubmitConfigRequest{Group: "tight", Source: "team", Documents: document("a.yaml", large.String()),
		ValidateOnly: true}); err == nil {
		t.Error("a dry run says nothing of it")
	}
	if w := messages(r.mustSubmit(config("mixed", "team", large.String())).GetWarnings()); len(w) != 1 ||
		!strings.Contains(w[0], "1 of 2 gateways take less") {
		t.Errorf("warnings %q", w)
	}
	if w := messages(r.mustSubmit(config("wide", "team", large.String())).GetWarnings()); len(w) != 0 {
		t.Errorf("warnings %q", w)
	}
}
