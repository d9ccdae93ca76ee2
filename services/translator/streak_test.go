package translator_test

import (
	"strings"
	"testing"

	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// pool is an upstream with a service, and targets.
func pool(path string, targets ...string) string {
	text := "_format_version: \"3.0\"\nservices:\n- name: orders\n  host: orders\n  routes:\n  - name: orders\n    paths: [" + path + "]\n" +
		"upstreams:\n- name: orders\n  targets:\n"
	for _, t := range targets {
		text += "  - target: " + t + ":80\n"
	}
	return text
}

// A revision says how many targets moved since the last change of anything else, over all that makes revisions.
func TestRevisionsSayThatOnlyTargetsChange(t *testing.T) {
	p := startPlane(t, "g")
	r := p.replica(t)
	want := func(what string, got *translatorv1.TargetStreak, since int64, moved float64, targets int64) {
		t.Helper()
		if got.GetSinceRevision() != since || got.GetMoved() != moved || got.GetTargets() != targets {
			t.Errorf("%s: %v, want %g of %d moved since revision %d", what, got, moved, targets, since)
		}
	}
	want("the first", r.mustSubmit(config("g", "shop", pool("/orders", "a", "b", "c", "d"))).GetRevision().GetTargetStreak(), 1, 0, 4)
	dry := config("g", "shop", pool("/orders", "a", "b", "c", "e"))
	dry.ValidateOnly = true
	answer := r.mustSubmit(dry)
	want("a dry run", answer.GetTargetStreak(), 1, 1, 4)
	want("what a dry run is against", answer.GetRevision().GetTargetStreak(), 1, 0, 4)
	want("one is replaced", r.mustSubmit(config("g", "shop", pool("/orders", "a", "b", "c", "e"))).GetRevision().GetTargetStreak(), 1, 1, 4)
	r = p.replica(t) // it reads what is stored
	want("one is added", r.mustSubmit(config("g", "shop", pool("/orders", "a", "b", "c", "e", "f"))).GetRevision().GetTargetStreak(), 1, 2, 5)
	same := r.mustSubmit(config("g", "shop", pool("/orders", "a", "b", "c", "e", "f")))
	want("nothing", same.GetRevision().GetTargetStreak(), 1, 2, 5)
	if same.GetTargetStreak() != nil {
		t.Errorf("no revision was made, and the answer has %v", same.GetTargetStreak())
	}
	want("another source", r.mustSubmit(config("g", "team", services("catalog"))).GetRevision().GetTargetStreak(), 4, 0, 5)
	want("one goes", r.mustSubmit(config("g", "shop", pool("/orders", "a", "b", "c", "e"))).GetRevision().GetTargetStreak(), 4, 1, 5)
	want("a path, too", r.mustSubmit(config("g", "shop", pool("/order", "a", "b", "c"))).GetRevision().GetTargetStreak(), 6, 0, 3)
	restored := r.mustRestore(&translatorv1.RestoreSourcesRequest{ToRevision: 5})
	want("a restored revision", restored.GetRevision().GetTargetStreak(), 7, 0, 4)
	empty := strings.Replace(pool("/orders"), "  targets:\n", "", 1)
	last := config("g", "shop", empty)
	last.AllowShrink = true
	want("the last target goes", r.mustSubmit(last).GetRevision().GetTargetStreak(), 7, 4, 4)
}
