// Gatesim prints how often the gates of rollouts stop healthy ones, and how soon they stop others: the figures of docs/gates.md.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"

	"github.com/silverback-gateway/silverback/services/distributor/internal/gate/simulate"
)

func main() {
	rollouts := flag.Int("rollouts", 100_000, "how many healthy rollouts to play")
	seed := flag.Uint64("seed", 1, "what the traffic is drawn from")
	flag.Parse()
	out := os.Stdout

	parts := runtime.GOMAXPROCS(0)
	var mu sync.Mutex
	var done sync.WaitGroup
	errors, latency, played := 0, 0, 0
	for i := range parts {
		done.Go(func() {
			n := *rollouts / parts
			if i == 0 {
				n += *rollouts % parts
			}
			e, l := simulate.Healthy(n, *seed*1000+uint64(i), simulate.DefaultLimits)
			mu.Lock()
			defer mu.Unlock()
			errors, latency, played = errors+e, latency+l, played+n
		})
	}
	done.Wait()
	fmt.Fprintf(out, "%d healthy rollouts, each watched for 10 to 60 s with a look each second\n", played)
	fmt.Fprintf(out, "  stopped by error-ratio=1%%    %4d   %.4f %%\n", errors, 100*float64(errors)/float64(played))
	fmt.Fprintf(out, "  stopped by latency=p99+50%%   %4d   %.4f %%\n\n", latency, 100*float64(latency)/float64(played))

	fmt.Fprintln(out, "one node of ten with the change, 0.1 % failures elsewhere, 60 s, limits 1 % and p99+50 %")
	fmt.Fprintln(out, "  more failures         req/s a node   median     p95   not found")
	for _, rate := range []float64{2, 20, 200} {
		strict := simulate.DefaultLimits
		strict.Increase = 0.002
		for _, c := range []struct {
			name          string
			fails, slower float64
			limits        simulate.Limits
		}{
			{"1 %, limit 0.2 %", 0.01, 1, strict},
			{"1 %", 0.01, 1, simulate.DefaultLimits},
			{"5 %", 0.05, 1, simulate.DefaultLimits},
			{"50 %", 0.5, 1, simulate.DefaultLimits},
			{"100 %", 1, 1, simulate.DefaultLimits},
			{"latency x 1.5", 0, 1.5, simulate.DefaultLimits},
			{"latency x 5", 0, 5, simulate.DefaultLimits},
		} {
			d := simulate.Detect(1000, *seed, rate, c.fails, c.slower, c.limits)
			fmt.Fprintf(out, "  %-20s %13.0f %8s %7s %9.1f %%\n", c.name, rate, seconds(d.Median), seconds(d.P95),
				100*float64(d.Missed)/float64(d.Of))
		}
	}
}

func seconds(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%d s", n)
}
