package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/lab"
	"github.com/silverback-gateway/silverback/test/e2e/labfleet"
	"github.com/silverback-gateway/silverback/test/e2e/suite"
	"github.com/silverback-gateway/silverback/test/process"
)

// A change that traffic does not survive is told from its commit to its pin, in order and once, and a reader goes on where it was.
func TestEventsTellWhatWasTakenBack(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/broken") {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = io.WriteString(w, "ok")
	}))
	defer upstream.Close()
	shop := func(path string) string {
		return suite.Write(t, "shop.yaml", fmt.Sprintf(`_format_version: "3.0"
services:
- name: orders
  url: %s/%s
  routes:
  - name: orders
    paths: [/orders]
plugins:
- name: prometheus
  config: {status_code_metrics: true}
`, upstream.URL, path))
	}
	f := labfleet.Start(t, binaries, lab.Config{Gateways: 6})
	suite.Want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "--allow-shrink", "--wait", shop("orders")), 0)
	suite.Want(t, f.CLI.Run(t, "update", "group", lab.Group, "--waves", "1:40s,100%", "--gate", "error-ratio=1%"), 0)
	var before events
	suite.Decode(t, f.CLI.Run(t, "events", "-o", "json"), &before)
	c := startClients(outside(f), "/orders")
	suite.Want(t, f.CLI.Run(t, "apply", "-g", lab.Group, "--wait", shop("broken")), 2, "rolled back")
	c.end()
	var after events
	process.Eventually(t, suite.Patience, "the pin's revision is complete", func() error {
		suite.Decode(t, f.CLI.Run(t, "events", "-o", "json", "--after", fmt.Sprint(before.UpToSequence)), &after)
		if n := len(after.Events); n == 0 || after.Events[n-1].Reason != "RolloutCompleted" {
			return fmt.Errorf("told is %s", after.reasons(0))
		}
		return nil
	})
	bad := after.Events[0].Revision
	if got, want := after.reasons(bad), "RevisionCommitted RolloutStarted WaveStarted GateFailed RolloutRolledBack"; got != want {
		t.Errorf("of revision %d is told\n%s, want\n%s", bad, got, want)
	}
	if got := after.reasons(bad + 1); !strings.HasPrefix(got, "RevisionCommitted SourcePinned RolloutStarted") ||
		!strings.HasSuffix(got, "RolloutCompleted") {
		t.Errorf("of the revision with the pin is told %s", got)
	}
	for i, e := range after.Events {
		if e.Sequence <= before.UpToSequence || i > 0 && e.Sequence <= after.Events[i-1].Sequence {
			t.Errorf("event %d has sequence %d", i, e.Sequence)
		}
		if e.Reason == "GateFailed" && (e.Subject != "error-ratio" || len(e.Nodes) != 1 ||
			!strings.Contains(e.Message, "failed in wave 1 of 2")) {
			t.Errorf("the gate is told as %+v", e)
		}
	}
	t.Logf("\n%s", f.CLI.Run(t, "events", "-g", lab.Group).Stdout)
}

// events is what silverback events prints as JSON.
type events struct {
	Events []struct {
		Sequence, Revision       int64
		Reason, Subject, Message string
		Nodes                    []string
	}
	UpToSequence int64 `json:"up_to_sequence"`
}

// reasons returns the reasons of the events about a revision; 0 is all.
func (e events) reasons(revision int64) string {
	var all []string
	for _, x := range e.Events {
		if revision == 0 || x.Revision == revision {
			all = append(all, x.Reason)
		}
	}
	return strings.Join(all, " ")
}
