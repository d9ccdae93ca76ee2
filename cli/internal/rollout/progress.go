package rollout

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/screen"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
)

// progress shows a rollout while it moves, on the error stream: one line that is drawn again and again on a terminal, a line
// for every change elsewhere.
type progress struct {
	w     io.Writer
	now   func() time.Time
	paint func(app.Colour, string) string
	stop  func()

	mu      sync.Mutex // messages, the clock and changes of the terminal's size draw the region
	region  *screen.Region
	size    screen.Size
	newest  *distributorv1.Rollout
	soaking time.Time // since when the present wave is observed to soak
	last    string
}

func newProgress(a *app.App) *progress {
	p := &progress{w: a.Err, now: a.Now, paint: a.Colour, size: a.Size, stop: func() {}}
	if !a.Terminal || a.Size == nil {
		return p
	}
	p.region = screen.NewRegion(a.Err, a.Size)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		screen.Redraw(ctx, time.Second, p.redraw)
	}()
	p.stop = func() {
		cancel()
		<-done
	}
	return p
}

// held prints once why no rollout to the revision has begun.
func (p *progress) held(r *distributorv1.Rollout) {
	if text := show.Clean(r.GetNext()); text != p.last {
		p.last = text
		fmt.Fprintln(p.w, text)
	}
}

func (p *progress) redraw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.region != nil && p.newest != nil {
		p.draw()
	}
}

func (p *progress) draw() {
	width, _ := p.size()
	line := p.line()
	if drawn := p.paint(app.Green, bar(p.newest.GetProgress(), width)) + " " + line; screen.Width(drawn) <= width {
		line = drawn
	}
	_ = p.region.Draw(line) // a failed draw does not end the wait
}

// line is the progress of the newest rollout, with the time left of a soak.
func (p *progress) line() string {
	line := Line(p.newest)
	if left := soakLeft(p.newest, p.now().Sub(p.soaking)); left > 0 {
		state := stateOf(p.newest)
		line = strings.Replace(line, "("+state+")", fmt.Sprintf("(%s, %s left)", state, left), 1)
	}
	return line
}

// soakLeft returns the rest of the present wave's soak in whole seconds, when it was observed for a time; otherwise 0. The leader measures
// it by its own clock, so it may be off by a second.
func soakLeft(r *distributorv1.Rollout, seen time.Duration) time.Duration {
	if r.GetState() != distributorv1.Rollout_STATE_SOAKING {
		return 0
	}
	soak := r.GetSoak()
	// A distributor of an older version does not report it.
	if waves, wave := r.GetPolicy().GetWaves(), int(r.GetWave()); soak == nil && wave >= 1 && wave <= len(waves) {
		soak = waves[wave-1].GetSoak()
	}
	return max(soak.AsDuration()-seen, 0).Round(time.Second)
}

func (p *progress) show(r *distributorv1.Rollout) {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := Line(r)
	waits := r.GetState() == distributorv1.Rollout_STATE_WAITING && r.GetReason() != "" // until an operator acts
	if waits {
		line += ": " + show.Clean(r.GetReason())
	}
	if line == p.last {
		return
	}
	p.last = line
	before := p.newest
	if r.GetState() == distributorv1.Rollout_STATE_SOAKING && (before.GetState() != r.GetState() || before.GetWave() != r.GetWave()) {
		p.soaking = p.now()
	}
	p.newest = r
	switch {
	case p.region == nil && !waits:
		fmt.Fprintln(p.w, p.line())
	case p.region == nil:
		fmt.Fprintln(p.w, line)
	case waits: // a reason may be longer than a line
		p.newest = nil
		p.region.End()
		fmt.Fprintln(p.w, line)
	default:
		if before != nil && (r.GetWave() != before.GetWave() || r.GetId() != before.GetId()) {
			p.region.End() // the finished wave stays on the screen
		}
		p.draw()
	}
}

// end keeps what is drawn, and stops drawing.
func (p *progress) end() {
	p.stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.region != nil {
		p.region.End()
		p.newest = nil
	}
}

// waveLabel is the label of the present wave; empty for a wave by count.
func waveLabel(r *distributorv1.Rollout) string {
	waves, wave := r.GetPolicy().GetWaves(), max(int(r.GetWave()), 1)
	if wave > len(waves) {
		return ""
	}
	return show.Clean(waves[wave-1].GetLabel())
}

// Line returns the progress of a rollout: revision 7: wave 1 of 2: 1/1 serving.
func Line(r *distributorv1.Rollout) string {
	n := r.GetProgress()
	head := fmt.Sprintf("revision %d", r.GetCandidateRevision())
	switch r.GetState() {
	case distributorv1.Rollout_STATE_WAITING:
		if r.GetReason() != "" {
			return head + ": waiting"
		}
		if label := waveLabel(r); label != "" && n.GetOnline() > 0 {
			return head + ": waiting for a gateway with the label " + label + "; silverback rollout promote continues without it"
		}
		return head + ": waiting for a gateway of the group to come online"
	case distributorv1.Rollout_STATE_SUPERSEDED:
		return head + ": superseded by a newer revision"
	}
	parts := []string{fmt.Sprintf("%d/%d serving", n.GetServing(), n.GetInWave())}
	for _, extra := range []struct {
		n    int64
		word string
	}{{n.GetLoading(), "loading"}, {n.GetFailed(), "failed, trying again"}, {n.GetRefused(), "refused"}, {n.GetLeftOut(), "left out"},
		{n.GetOffline(), "offline"}} {
		if extra.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", extra.n, extra.word))
		}
	}
	state := ""
	if r.GetState() != distributorv1.Rollout_STATE_PROGRESSING {
		state = " (" + stateOf(r) + ")"
	}
	if n.GetOnline() > n.GetInWave() {
		parts = append(parts, fmt.Sprintf("%d in all", n.GetOnline()))
	}
	if label := waveLabel(r); label != "" {
		state = ", " + label + state
	}
	return fmt.Sprintf("%s: wave %d of %d%s: %s", head, r.GetWave(), r.GetWaveCount(), state, strings.Join(parts, ", "))
}

// bar shows how many nodes of the wave serve. It is short where the line beside it needs the space.
func bar(n *distributorv1.Progress, terminal int) string {
	const least, most, beside = 8, 24, 80
	width := min(max(terminal-beside, least), most)
	full := 0
	if n.GetInWave() > 0 {
		full = int(n.GetServing() * int64(width) / n.GetInWave())
	}
	full = min(max(full, 0), width)
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

// stateOf names the state of a rollout. The soak of the last wave is the bake.
func stateOf(r *distributorv1.Rollout) string {
	if r.GetState() == distributorv1.Rollout_STATE_SOAKING && r.GetWave() == r.GetWaveCount() {
		return "baking"
	}
	return strings.ReplaceAll(show.Enum(r.GetState(), "STATE_"), "-", " ")
}

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
