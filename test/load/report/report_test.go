package report_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/test/load/report"
)

func TestAMissedBoundIsMarked(t *testing.T) {
	r := report.Report{Figures: []report.Figure{
		{Suite: "submit", Name: "kept", Value: 0.4, Unit: "s", Bound: 0.5},
		{Suite: "submit", Name: "over", Value: 0.6, Unit: "s", Bound: 0.5},
		{Suite: "submit", Name: "free", Value: 9, Unit: "s"},
	}}
	var out bytes.Buffer
	if err := r.Table(&out); err != nil {
		t.Fatal(err)
	}
	for name, mark := range map[string]string{"kept": "ok", "over": "MISSED"} {
		if line := lineWith(out.String(), name); !strings.Contains(line, mark) {
			t.Errorf("line of %q: got %q, want it to say %s", name, line, mark)
		}
	}
	if r.Missed() != 1 {
		t.Errorf("got %d missed, want 1", r.Missed())
	}
	out.Reset()
	if err := r.JSON(&out); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(out.String(), `"missed": true`); got != 1 {
		t.Errorf("JSON marks %d figures as missed, want 1:\n%s", got, out.String())
	}
}

func lineWith(text, word string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			return line
		}
	}
	return ""
}

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		value float64
		unit  string
		want  string
	}{{0.1234, "s", "0.123 s"}, {12.34, "ms", "12.3 ms"}, {1234.5, "KB", "1234 KB"}, {2.5, "x", "2.50x"}, {0, "s", "0 s"}} {
		if got := report.Number(c.value, c.unit); got != c.want {
			t.Errorf("Number(%v, %q): got %q, want %q", c.value, c.unit, got, c.want)
		}
	}
}

func TestMedian(t *testing.T) {
	if got := report.Median([]float64{5, 1, 9, 2, 7}); got != 5 {
		t.Errorf("got %v, want 5", got)
	}
}
