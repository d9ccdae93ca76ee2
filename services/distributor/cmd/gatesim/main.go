// Gatesim plays healthy and unhealthy rollouts, and prints how often the gates stop a healthy one and how soon they see an
// unhealthy one. docs/gates.md shows its output.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/silverback-gateway/silverback/services/distributor/internal/gate"
	"github.com/silverback-gateway/silverback/services/distributor/internal/gate/simulate"
)

func main() {
	rollouts := flag.Int("rollouts", 100_000, "healthy rollouts to play")
	runs := flag.Int("runs", 2_000, "unhealthy rollouts to play for each line")
	seed := flag.Uint64("seed", 1, "what the random numbers begin with")
	processors := flag.Int("processors", runtime.NumCPU(), "how many processors to use")
	flag.Parse()
	debug.SetGCPercent(400) // looks leave much behind, and little of it lives
	if err := report(os.Stdout, *seed, *rollouts, *runs, *processors); err != nil {
		fmt.Fprintln(os.Stderr, "gatesim:", err)
		os.Exit(1)
	}
}

// report prints what is found, and fails when more healthy rollouts are stopped than promised.
func report(out io.Writer, seed uint64, rollouts, runs, processors int) error {
	p := func(format string, a ...any) { _, _ = fmt.Fprintf(out, format+"\n", a...) }
	h := simulate.Healthy(seed, rollouts, processors)
	p("healthy rollouts: %d, looks: %d", h.Rollouts, h.Looks)
	p("stopped by a false alarm: %d (%.4f %%); promised: at most %.2g %%", h.Errors+h.Latency, 100*h.Rate(), 100*gate.Promise)
	p("  by error-ratio %d, by latency %d; in a wave without nodes outside: %d", h.Errors, h.Latency, h.Alone)
	p("with a wave that ended inconclusive: %.1f %%", 100*float64(h.Inconclusive)/float64(max(1, h.Rollouts)))
	p("")
	p("unhealthy first wave: 1 node of 12, or a group of 1; 0.1 %% errors and p99 90 ms without the harm; a look each second")
	p("%-13s %-14s %5s %6s %7s %6s %12s %9s", "harm", "limit", "nodes", "req/s", "median", "p95", "not in 60 s", "requests")
	for _, c := range simulate.Cases() {
		for _, rate := range []float64{2, 20, 200, 2000} {
			d := simulate.Detect(seed, runs, processors, c.Setting(rate), c.Limits, c.Harm)
			p("%-13s %-14s %5d %6.0f %7s %6s %10.1f %% %9s", c.Name, c.Limit, c.Setting(rate).Nodes, rate,
				seconds(d.Median), seconds(d.P95), 100*d.Undetected, count(d))
		}
	}
	if h.Rate() > gate.Promise {
		return fmt.Errorf("%.3g %% of healthy rollouts were stopped; promised are %.3g %%", 100*h.Rate(), 100*gate.Promise)
	}
	return nil
}

func seconds(d time.Duration) string {
	if d <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

func count(d simulate.Detection) string {
	if d.Median <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", d.Requests)
}
