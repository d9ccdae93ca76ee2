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

// BenchmarkFiveThousandIngresses measures a cluster of 5,000 Ingresses with 20,000 endpoints: how long a changed object takes until it is
// proven on three gateways, and what the planning of it costs alone. -benchtime 3x changes three objects.
func BenchmarkFiveThousandIngresses(b *testing.B) {
	const namespaces, each = 100, 50
	m := newMemory()
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
	m.apply(b, text.String())
	p := planner{broken: broken{}}
	p.options.RemovableTargets = true
	began, used := time.Now(), cpu()
	made, err := p.plan(m.Read(), time.Now())
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("planned %d entities in %s, %s of CPU", len(made.content.Entities()), time.Since(began), cpu()-used)
	runtime.GC()

	w := newWorld(b)
	w.cluster.apply(b, text.String())
	w.phase("n99/r49", delivery.Programmed)
	b.ResetTimer()
	for round := range b.N {
		before := w.newest().GetNumber()
		changed := strings.NewReplacer("cart", "cart7").Replace(ingress("n7/r7", fmt.Sprintf("/changed/%d", round)))
		began, used = time.Now(), cpu()
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
