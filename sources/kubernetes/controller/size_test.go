package controller

import (
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/sources/kubernetes/delivery"
)

// cpu is what this process took so far: the controller, and the fleet beside it.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for the process itself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fiveThousand are manifests of 5,000 Ingresses with 20,000 endpoints in 100 namespaces.
func fiveThousand() string {
	const namespaces, each = 100, 50
	var text strings.Builder
	for n := range namespaces {
		namespace := fmt.Sprintf("n%d", n)
		for s := range each {
			var addresses []string
			for a := range 4 {
				addresses = append(addresses, fmt.Sprintf("10.%d.%d.%d", n, s, a+1))
			}
			named := strings.NewReplacer("cart", fmt.Sprintf("cart%d", s))
			text.WriteString(named.Replace(service(namespace, addresses...)) + "\n---\n")
			text.WriteString(named.Replace(ingress(fmt.Sprintf("%s/r%d", namespace, s), fmt.Sprintf("/%s/%d", namespace, s))) + "\n---\n")
		}
	}
	return text.String()
}

// BenchmarkPlanOfFiveThousandIngresses measures what the planning of a changed Ingress costs alone, among 5,000 with 20,000 endpoints:
// without anything that was kept of the plan before, and with it. It prints the CPU of the process, which a busy machine does not change.
func BenchmarkPlanOfFiveThousandIngresses(b *testing.B) {
	m := newMemory()
	m.apply(b, fiveThousand())
	for _, kept := range []bool{false, true} {
		b.Run(fmt.Sprintf("kept=%v", kept), func(b *testing.B) {
			p := planner{broken: broken{}}
			p.options.RemovableTargets = true
			if kept {
				p.compiler = &compiler{}
			}
			plan := func() {
				made, err := p.plan(m.Read(), time.Now())
				if err != nil || len(made.content.Entities()) != 35_000 {
					b.Fatal(len(made.content.Entities()), err)
				}
			}
			plan()
			runtime.GC()
			b.ReportAllocs()
			b.ResetTimer()
			var used time.Duration
			for round := range b.N {
				b.StopTimer()
				m.apply(b, strings.NewReplacer("cart", "cart7").Replace(ingress("n7/r7", fmt.Sprintf("/changed/%d", round))))
				before := cpu()
				b.StartTimer()
				plan()
				used += cpu() - before
			}
			b.ReportMetric(used.Seconds()/float64(b.N), "cpu-s/op")
			var memory runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&memory)
			b.ReportMetric(float64(memory.HeapAlloc>>20), "MB-kept")
			runtime.KeepAlive(p)
		})
	}
}

// BenchmarkFiveThousandIngresses measures how long a changed one of 5,000 Ingresses with 20,000 endpoints takes until it is proven on three
// gateways. -benchtime 3x changes three objects.
func BenchmarkFiveThousandIngresses(b *testing.B) {
	w := newWorld(b)
	text := fiveThousand()
	w.cluster.apply(b, text)
	w.phase("n99/r49", delivery.Programmed)
	b.ResetTimer()
	for round := range b.N {
		before := w.newest().GetNumber()
		changed := strings.NewReplacer("cart", "cart7").Replace(ingress("n7/r7", fmt.Sprintf("/changed/%d", round)))
		began, used := time.Now(), cpu()
		w.cluster.apply(b, changed)
		w.eventually("the change is proven", func() error {
			if got := w.views.of(ingressRef("n7/r7")); got.Phase != delivery.Programmed || got.Revision <= before {
				return fmt.Errorf("%+v", got)
			}
			return nil
		})
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		b.Logf("proven on three gateways after %s; %s of CPU with the fleet; %d MB of heap with the fleet", time.Since(began), cpu()-used,
			memory.HeapInuse>>20)
	}
}
