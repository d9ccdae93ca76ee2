// Package view shows a lab's fleet: on a terminal it redraws in place, elsewhere it prints lines.
package view

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/agent"
	"github.com/silverback-gateway/silverback/kit/screen"
	"github.com/silverback-gateway/silverback/lab/internal/nodes"
)

const (
	refresh = 250 * time.Millisecond
	rows    = 20 // of gateways, on a screen
)

// View shows the members.
type View struct {
	Out     io.Writer
	Size    screen.Size // of the terminal behind Out; nil means none
	Header  string
	Members []nodes.Member
	Rollout func(ctx context.Context) string // the state of the newest rollout in a line
}

// Run shows the fleet until ctx ends.
func (v *View) Run(ctx context.Context) error {
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	fmt.Fprint(v.Out, v.Header)
	last := ""
	var region *screen.Region
	if v.Size != nil {
		region = screen.NewRegion(v.Out, v.Size)
	}
	for {
		lines := v.lines(ctx)
		text := strings.Join(lines, "\n")
		switch {
		case region != nil: // also when only the terminal's size changed
			if err := region.Draw(lines...); err != nil {
				return err
			}
		case text != last:
			v.printNews(last, lines)
			last = text
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// printNews prints the lines that are new.
func (v *View) printNews(last string, lines []string) {
	before := strings.Split(last, "\n")
	for _, line := range lines {
		if !slices.Contains(before, line) {
			fmt.Fprintln(v.Out, line)
		}
	}
}

func (v *View) lines(ctx context.Context) []string {
	height := 0
	if v.Size != nil {
		_, height = v.Size()
	}
	names, gateways := make([]string, 0, len(v.Members)), make([]agent.View, 0, len(v.Members))
	for _, m := range v.Members {
		names, gateways = append(names, m.Name), append(gateways, m.Agent.Status())
	}
	return layout(v.Rollout(ctx), names, gateways, height)
}

// layout shows a fleet in at most height lines; 0 means no limit.
func layout(rollout string, names []string, gateways []agent.View, height int) []string {
	serving, most := 0, rows
	if height > 0 {
		most = max(min(rows, height-4), 1) // leaves room for the rollout, the sum, the line for hidden gateways and the cursor
	}
	var table []string
	for i, g := range gateways {
		if g.Serving() {
			serving++
		}
		if i < most {
			table = append(table, row(names[i], g))
		}
	}
	lines := append([]string{"rollout    " + rollout, fmt.Sprintf("gateways   %d of %d serving", serving, len(gateways))}, table...)
	if more := len(gateways) - most; more > 0 {
		lines = append(lines, fmt.Sprintf("           … and %d more; bin/silverback get nodes lists them all", more))
	}
	return lines
}

func row(name string, s agent.View) string {
	state := s.Phase
	switch {
	case s.Unmanaged != nil:
		state = fmt.Sprintf("unmanaged, serves %d entities that no revision brought", s.Unmanaged.Entities)
	case s.Serving():
		loaded := "loaded in " + s.LoadTime.Round(time.Millisecond).String()
		if s.Loads == 0 {
			loaded = "loaded at its start"
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
