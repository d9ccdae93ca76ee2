// Package view shows a lab's fleet on a terminal, drawn anew as it changes, or as plain lines elsewhere.
package view

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/agent"
	"github.com/silverback-gateway/silverback/lab/internal/troop"
)

const (
	refresh = 250 * time.Millisecond
	rows    = 20 // of gateways, on a screen
)

// View shows the members of a troop.
type View struct {
	Out     io.Writer
	Live    bool // a terminal
	Header  string
	Members []troop.Member
	Rollout func(ctx context.Context) string // where the newest rollout stands, in a line
}

// Run shows the fleet until ctx ends.
func (v *View) Run(ctx context.Context) error {
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	fmt.Fprint(v.Out, v.Header)
	drawn, last := 0, ""
	for {
		lines := v.lines(ctx)
		text := strings.Join(lines, "\n")
		if text != last {
			switch {
			case v.Live && drawn > 0:
				fmt.Fprintf(v.Out, "\x1b[%dA\x1b[J%s\n", drawn, text)
			case v.Live:
				fmt.Fprintln(v.Out, text)
			default:
				v.printNews(last, lines)
			}
			drawn, last = len(lines), text
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// printNews prints the lines that were not there before.
func (v *View) printNews(last string, lines []string) {
	before := strings.Split(last, "\n")
	for _, line := range lines {
		if !slices.Contains(before, line) {
			fmt.Fprintln(v.Out, line)
		}
	}
}

func (v *View) lines(ctx context.Context) []string {
	lines := []string{"rollout    " + v.Rollout(ctx)}
	serving := 0
	var table []string
	for i, m := range v.Members {
		s := m.Agent.Status()
		if s.Serving() {
			serving++
		}
		if i < rows {
			table = append(table, row(m.Name, s))
		}
	}
	lines = append(lines, fmt.Sprintf("gateways   %d of %d serving", serving, len(v.Members)))
	lines = append(lines, table...)
	if more := len(v.Members) - rows; more > 0 {
		lines = append(lines, fmt.Sprintf("           … and %d more; bin/silverback get nodes lists them all", more))
	}
	return lines
}

func row(name string, s agent.View) string {
	state := s.Phase
	if s.Serving() {
		loaded := "loaded in " + s.LoadTime.Round(time.Millisecond).String()
		if s.Loads == 0 {
			loaded = "hot since its start"
		}
		state = fmt.Sprintf("serves revision %d, proven by %s, %s", s.Revision, s.Proof, loaded)
	}
	var conditions []string
	for _, c := range s.Conditions {
		conditions = append(conditions, c.Type)
	}
	if len(conditions) > 0 {
		state += " [" + strings.Join(conditions, ", ") + "]"
	}
	return fmt.Sprintf("  %-8s %s", name, state)
}
