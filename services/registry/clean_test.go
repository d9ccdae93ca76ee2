package registry_test

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fault"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

func TestAnAddressIsAnAddressOrIsRefused(t *testing.T) {
	r := start(t, etcdtest.Start(t).Client(t), registry.Config{})
	r.group(t, "g")
	for _, address := range []string{
		"127.0.0.1:80 source 0.0.0.0\n    external-check command /bin/sh", "10.0.0.1:80; }", "unix@/run/docker.sock:80", "unix:8000",
		"${HOME}:80",
		"no-port", "\x1b[2J:80", "gw-1:99999",
	} {
		for field, request := range map[string]*registryv1.EnrolNodeRequest{
			"proxy_address": {Group: "g", Node: "n", BootId: "a", ProxyAddress: address},
			"agent_address": {Group: "g", Node: "n", BootId: "a", AgentAddress: address},
		} {
			_, err := r.EnrolNode(t.Context(), request)
			var refusal *fault.Error
			if !errors.As(fault.FromStatus(err), &refusal) {
				t.Fatalf("%s %q: %v", field, address, err)
			}
			violations := refusal.Violations
			if len(violations) != 1 || violations[0].Field != field || strings.ContainsFunc(violations[0].Description, clean.Unsafe) {
				t.Errorf("%s %q: %v", field, address, violations)
			}
		}
	}
	if _, err := r.EnrolNode(t.Context(), &registryv1.EnrolNodeRequest{Group: "g", Node: "n", BootId: "a", ProxyAddress: "[fd00::1]:8000",
		AgentAddress: "[::]:7453"}); err != nil {
		t.Error(err)
	}
}

func TestWhatANodeSaysIsCleanBeforeItIsKept(t *testing.T) {
	r := start(t, etcdtest.Start(t).Client(t), registry.Config{})
	r.group(t, "g")
	const hostile = "ok\x1b[2J\nState: ready\u202e\u009b"
	status := func() *fleetv1.NodeStatus {
		return &fleetv1.NodeStatus{Digest: hostile, Conditions: []*fleetv1.Condition{
			{Type: hostile, Message: hostile + strings.Repeat("x", 8000)}},
			Health: &fleetv1.Health{Probes: []*fleetv1.ProbeResult{{Path: hostile, Host: hostile, Reason: hostile}}}}
	}
	_, err := r.EnrolNode(t.Context(), &registryv1.EnrolNodeRequest{
		Group: "g", Node: "n", BootId: "a", AgentVersion: hostile, Labels: map[string]string{hostile: hostile}, Status: status(),
		Capabilities: &fleetv1.Capabilities{KongVersion: hostile, Edition: hostile, RouterFlavor: hostile,
			Plugins: map[string]string{hostile: hostile}},
	})
	if err != nil {
		t.Fatal(err)
	}
	shown := func() string { return prototext.MarshalOptions{}.Format(r.node(t, "n")) }
	check := func(when string) {
		t.Helper()
		var n *registryv1.Node
		eventually(t, "the report is in the view", func() bool { n = r.node(t, "n"); return len(n.GetStatus().GetConditions()) == 1 })
		for _, text := range []string{n.GetAgentVersion(), n.GetCapabilities().GetKongVersion(), n.GetCapabilities().GetRouterFlavor(),
			n.GetStatus().GetConditions()[0].GetMessage(), n.GetStatus().GetHealth().GetProbes()[0].GetReason()} {
			if !strings.Contains(text, "ok") || strings.ContainsFunc(text, clean.Unsafe) || len(text) > clean.MaxMessage {
				t.Errorf("%s: %q", when, text)
			}
		}
		for key, value := range n.GetLabels() {
			if strings.ContainsFunc(key+value, clean.Unsafe) {
				t.Errorf("%s: label %q=%q", when, key, value)
			}
		}
		// The text form escapes: an escape in it is an unsafe character.
		for _, escape := range []string{`\x1b`, `\n`, `\u202e`, `\u009b`} {
			if strings.Contains(shown(), escape) {
				t.Errorf("%s: %s is in %s", when, escape, shown())
			}
		}
	}
	check("after enrolling")
	if _, err := r.renew("n", "a", status()); err != nil {
		t.Fatal(err)
	}
	check("after renewing")
	if err := r.enrol("m", "a\n", nil); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a boot id of two lines: %v", err)
	}
}
