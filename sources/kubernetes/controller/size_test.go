package controller

import (
	"fmt"
	"os"
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

// TestFiveThousandIngresses measures a cluster of 5,000 Ingresses with 20,000 endpoints; SIZE=1 runs it. It prints how long a changed object
// takes until it is proven on three gateways, and what the planning of it costs alone.
func TestFiveThousandIngresses(t *testing.T) {
	if os.Getenv("SIZE") == "" {
		t.Skip("SIZE=1 runs it: it takes minutes")
	}
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
	m.apply(t, text.String())
	p := planner{broken: broken{}}
	p.options.RemovableTargets = true
	began, used := time.Now(), cpu()
	made, err := p.plan(m.Read(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("planned %d entities in %s, %s of CPU", len(made.content.Entities()), time.Since(began), cpu()-used)
	made = nil
	runtime.GC()

	w := newWorld(t)
	w.cluster.apply(t, text.String())
	w.phase("n99/r49", delivery.Programmed)
	for round := range 3 {
		before := w.newest().GetNumber()
		changed := strings.NewReplacer("cart", "cart7").Replace(ingress("n7/r7", fmt.Sprintf("/changed/%d", round)))
		began, used = time.Now(), cpu()
		w.cluster.apply(t, changed)
		w.eventually("the change is proven", func() error {
			if got := w.views.of(ingressRef("n7/r7")); got.Phase != delivery.Programmed || got.Revision <= before {
				return fmt.Errorf("%+v", got)
			}
			return nil
		})
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		t.Logf("proven on three gateways after %s; %s of CPU with the fleet; %d MB of heap with the fleet", time.Since(began), cpu()-used,
			memory.HeapInuse>>20)
	}
}
