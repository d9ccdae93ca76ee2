package show

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/silverback-gateway/silverback/kit/screen"
)

// Age returns how long ago a time was, in its largest unit: 12s, 5m, 3h, 9d.
func Age(now time.Time, t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	d := max(now.Sub(t.AsTime()), 0)
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// Time formats a time in the reader's zone.
func Time(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().Local().Format("2006-01-02 15:04:05")
}

// Span formats a measured duration with three digits at most.
func Span(d *durationpb.Duration) string {
	if d == nil {
		return ""
	}
	v := d.AsDuration()
	switch {
	case v >= 10*time.Second:
		return v.Round(time.Second).String()
	case v >= time.Second:
		return v.Round(10 * time.Millisecond).String()
	}
	return v.Round(time.Millisecond).String()
}

// Digest shortens a digest for people.
func Digest(digest string) string {
	const prefix, keep = "sha256:", 12
	hex, ok := strings.CutPrefix(digest, prefix)
	if !ok || len(hex) <= keep {
		return digest
	}
	return hex[:keep]
}

// Bytes formats a size for people, in powers of 1024.
func Bytes(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

// Count formats a number with its noun: 1 node, 3 nodes.
func Count(n int64, singular, plural string) string {
	if n == 1 {
		return "1 " + singular
	}
	return fmt.Sprintf("%d %s", n, plural)
}

// First returns the first line of a text, for a cell.
func First(text string) string {
	line, _, more := strings.Cut(text, "\n")
	if more {
		line += " …"
	}
	return line
}

// Enum returns the value of a proto enum in the form of the command line: STATE_READY is ready.
func Enum(value fmt.Stringer, prefix string) string {
	name := strings.TrimPrefix(value.String(), prefix)
	if name == "UNSPECIFIED" {
		return ""
	}
	return strings.ReplaceAll(strings.ToLower(name), "_", "-")
}

// Fold wraps a line at the width of a terminal, 0 for none, and indents further lines by label cells, so that no text can pass for a field.
func Fold(line string, label, width int) string {
	if width > 2*label && screen.Width(line) > width {
		line = screen.Wrap(line, width-label)
	}
	return strings.ReplaceAll(line, "\n", "\n"+strings.Repeat(" ", label))
}
