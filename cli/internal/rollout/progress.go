package rollout

import (
	"fmt"
	"io"
	"strings"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

const barWidth = 24

// progress shows a rollout while it moves, on the error stream: one line that is drawn again and again on a terminal, a line
// for every change elsewhere.
type progress struct {
	w     io.Writer
	live  bool
	paint func(app.Colour, string) string
	last  string
	wave  int32
	drawn bool
	why   string // what the rollout waits for, when somebody must do something about it
}

func newProgress(a *app.App) *progress {
	return &progress{w: a.Err, live: a.Terminal, paint: a.Colour}
}

func (p *progress) show(r *distributorv1.Rollout) {
	line := Line(r)
	p.why = ""
	if r.GetState() == distributorv1.Rollout_STATE_WAITING && r.GetReason() != "" {
		p.why = show.Clean(r.GetReason())
		line += ": " + p.why
	}
	if line == p.last {
		return
	}
	p.last = line
	if !p.live || p.why != "" { // a reason is longer than a line
		p.end()
		fmt.Fprintln(p.w, line)
		return
	}
	if p.drawn && r.GetWave() != p.wave {
		fmt.Fprintln(p.w) // the finished wave stays on the screen
	}
	p.wave, p.drawn = r.GetWave(), true
	fmt.Fprintf(p.w, "\r\x1b[2K%s %s", p.paint(app.Green, bar(r.GetProgress())), line)
}

// end leaves the cursor on a line of its own.
func (p *progress) end() {
	if p.live && p.drawn {
		fmt.Fprintln(p.w)
		p.drawn = false
	}
}

// Line tells where a rollout stands: revision 7: wave 1 of 2: 1/1 serving.
func Line(r *distributorv1.Rollout) string {
	n := r.GetProgress()
	head := fmt.Sprintf("revision %d", r.GetCandidateRevision())
	switch r.GetState() {
	case distributorv1.Rollout_STATE_WAITING:
		if r.GetReason() != "" {
			return head + ": waiting"
		}
		return head + ": waiting for a gateway of the group to come online"
	case distributorv1.Rollout_STATE_SUPERSEDED:
		return head + ": superseded by a newer revision"
	}
	parts := []string{fmt.Sprintf("%d/%d serving", n.GetServing(), n.GetInWave())}
	for _, extra := range []struct {
		n    int64
		word string
	}{{n.GetLoading(), "loading"}, {n.GetFailed(), "failed, trying again"}, {n.GetRefused(), "refused"}, {n.GetLeftOut(), "left out"}, {n.GetOffline(), "offline"}} {
		if extra.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", extra.n, extra.word))
		}
	}
	state := ""
	if r.GetState() != distributorv1.Rollout_STATE_PROGRESSING {
		state = " (" + stateOf(r) + ")"
	}
	return fmt.Sprintf("%s: wave %d of %d%s: %s", head, r.GetWave(), r.GetWaveCount(), state, strings.Join(parts, ", "))
}

func bar(n *distributorv1.Progress) string {
	full := 0
	if n.GetInWave() > 0 {
		full = int(n.GetServing() * barWidth / n.GetInWave())
	}
	full = min(max(full, 0), barWidth)
	return strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
}

func stateOf(r *distributorv1.Rollout) string { return show.Enum(r.GetState(), "STATE_") }

func printRefusals(w io.Writer, r *distributorv1.Rollout) {
	for _, refusal := range r.GetRefusals() {
		show.Printf(w, "%s (refused by %s)\n", show.Problem(refusal.GetProblem()), refusal.GetNode())
	}
}

// leftOut names the nodes that a rollout does not wait for: 1 left out: gw-5 (GatewayUnreachable).
func leftOut(r *distributorv1.Rollout) string {
	var names []string
	for _, x := range r.GetLeftOut() {
		names = append(names, fmt.Sprintf("%s (%s)", show.Clean(x.GetNode()), show.Clean(x.GetReason())))
	}
	if more := r.GetProgress().GetLeftOut() - int64(len(names)); more > 0 && len(names) > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%d left out: %s", r.GetProgress().GetLeftOut(), strings.Join(names, ", "))
}
