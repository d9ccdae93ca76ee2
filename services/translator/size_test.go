package translator_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

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

// A load that a gateway is forecast not to manage is a warning at submit and at a dry run, by what the gateway measured and how much memory
// it says it may take. A dry run says how large the group becomes.
func TestALoadThatIsTooMuchIsToldAtSubmit(t *testing.T) {
	var large strings.Builder
	large.WriteString("_format_version: \"3.0\"\nservices:\n")
	for i := range 2000 {
		fmt.Fprintf(&large, "- name: s-%05d\n  url: http://s-%05d.internal:8080\n  routes:\n  - name: r-%05d\n    paths: [/r/%05d]\n", i, i, i, i)
	}
	p := startPlane(t, "slow", "well")
	r := p.replica(t)
	sample := &fleetv1.LoadSample{Routes: 2000, Entities: 4000, Bytes: 520_000, Workers: 2, ServingTime: durationpb.New(9 * time.Second)}
	for group, memory := range map[string]int64{"slow": 64 << 20, "well": 64 << 30} {
		p.registry.mu.Lock()
		p.registry.nodes = append(p.registry.nodes, &registryv1.Node{Group: group, Name: "gw-1", State: registryv1.Node_STATE_READY,
			Capabilities: &fleetv1.Capabilities{Workers: 2, LoadTimeout: durationpb.New(time.Duration(memory>>20) * 156250 * time.Microsecond),
				MemoryLimitBytes: memory},
			Status: &fleetv1.NodeStatus{RecentLoads: []*fleetv1.LoadSample{sample}}})
		p.registry.mu.Unlock()
	}
	for _, dry := range []bool{true, false} {
		request := config("slow", "team", large.String())
		request.ValidateOnly = dry
		answer := r.mustSubmit(request)
		warnings := strings.Join(messages(answer.GetWarnings()), "\n")
		for _, want := range []string{"gw-1 is forecast to take 9s to load 2000 routes", "its agent gives a load 10s",
			"gw-1 is forecast to need 160 MB while it loads 2000 routes on 2 workers, and may take 67 MB"} {
			if !strings.Contains(warnings, want) {
				t.Errorf("dry %t: the warnings lack %q:\n%s", dry, want, warnings)
			}
		}
		if answer.GetEntities()["routes"] != 2000 || answer.GetSizeBytes() == 0 {
			t.Errorf("dry %t: the group becomes %v, %d bytes", dry, answer.GetEntities(), answer.GetSizeBytes())
		}
	}
	if w := messages(r.mustSubmit(config("well", "team", large.String())).GetWarnings()); len(w) != 0 {
		t.Errorf("warnings %q", w)
	}
}
