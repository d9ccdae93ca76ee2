// Package report prints measured figures beside their bounds and peers. It judges nothing but whether a bound is kept.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"
)

// A Figure is one measured value.
type Figure struct {
	Suite string  `json:"suite"`
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"` // s, ms, B, KB, MB, x or %
	// Bound is the most that Value may be; 0 is none.
	Bound float64 `json:"bound,omitempty"`
	// Peer is what Value is to be compared with, measured in the same run; 0 is none.
	Peer     float64 `json:"peer,omitempty"`
	PeerName string  `json:"peer_name,omitempty"`
	Note     string  `json:"note,omitempty"`
}

// Missed reports whether the figure is over its bound.
func (f Figure) Missed() bool { return f.Bound > 0 && f.Value > f.Bound }

// A Report is the figures of one run, in the order in which they were measured.
type Report struct {
	Machine string    `json:"machine"`
	Time    time.Time `json:"time"`
	Figures []Figure  `json:"figures"`
	// Failed names suites that could not be measured, with the reason.
	Failed map[string]string `json:"failed,omitempty"`
}

// Missed counts the figures over their bound.
func (r Report) Missed() (n int) {
	for _, f := range r.Figures {
		if f.Missed() {
			n++
		}
	}
	return n
}

// JSON writes the report for programs.
func (r Report) JSON(w io.Writer) error {
	type line struct {
		Figure
		Missed bool `json:"missed"`
	}
	lines := make([]line, len(r.Figures))
	for i, f := range r.Figures {
		lines[i] = line{f, f.Missed()}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		Report
		Figures []line `json:"figures"`
	}{r, lines})
}

// Table writes the report for people.
func (r Report) Table(w io.Writer) error {
	fmt.Fprintf(w, "%s, %s\n\n", r.Machine, r.Time.UTC().Format("2006-01-02 15:04 MST"))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FIGURE\tVALUE\tBOUND\t\tPEER\tNOTE")
	suite := ""
	for _, f := range r.Figures {
		if f.Suite != suite {
			suite = f.Suite
			fmt.Fprintf(t, "%s\t\t\t\t\t\n", suite)
		}
		bound, mark, peer := "", "", ""
		if f.Bound > 0 {
			bound, mark = Number(f.Bound, f.Unit), "ok"
			if f.Missed() {
				mark = "MISSED"
			}
		}
		if f.PeerName != "" {
			peer = Number(f.Peer, f.Unit) + " " + f.PeerName
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\n", f.Name, Number(f.Value, f.Unit), bound, mark, peer, f.Note)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	suites := make([]string, 0, len(r.Failed))
	for name := range r.Failed {
		suites = append(suites, name)
	}
	slices.Sort(suites)
	for _, name := range suites {
		fmt.Fprintf(w, "\n%s was not measured: %s\n", name, r.Failed[name])
	}
	_, err := fmt.Fprintf(w, "\n%d figures, %d over their bound\n", len(r.Figures), r.Missed())
	return err
}

// Number writes a value with three digits that count.
func Number(v float64, unit string) string {
	digits := 0
	if a := math.Abs(v); a > 0 && a < 100 {
		digits = max(0, 2-int(math.Floor(math.Log10(a))))
	}
	text := strconv.FormatFloat(v, 'f', min(digits, 4), 64)
	if unit == "x" || unit == "%" {
		return text + unit
	}
	return text + " " + unit
}

// Median returns the middle value, the lower one of two; 0 for none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}
