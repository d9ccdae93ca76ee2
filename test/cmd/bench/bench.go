package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/silverback-gateway/silverback/test/load/report"
	"github.com/silverback-gateway/silverback/test/load/routes"
)

// Sizes, in bytes.
const (
	kb = 1024
	mb = 1024 * kb
)

// large is the configuration of most budgets: 3 MB.
const large = 10_000

// bench is one run.
type bench struct {
	options
	dir    string // binaries, logs and data
	files  int    // that a process may open
	suite  string
	report report.Report
	stands int
}

func (b *bench) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  %s: %s\n", time.Now().Format(time.TimeOnly), b.suite, fmt.Sprintf(format, args...))
}

// add notes a figure of the suite that runs.
func (b *bench) add(f report.Figure) {
	f.Suite = b.suite
	b.report.Figures = append(b.report.Figures, f)
	b.progress("%s: %s", f.Name, report.Number(f.Value, f.Unit))
}

func (b *bench) fail(err error) {
	if b.report.Failed == nil {
		b.report.Failed = map[string]string{}
	}
	b.report.Failed[b.suite] = err.Error()
}

func (b *bench) binary(name string) string { return filepath.Join(b.dir, name) }

func edited(n, edit int) routes.Config { return routes.Config{N: n, Edit: edit} }

func seconds(d time.Duration) float64 { return d.Seconds() }

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
