package e2e_test

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/lab"
	"github.com/silverback-gateway/silverback/test/e2e/labfleet"
	"github.com/silverback-gateway/silverback/test/e2e/suite"
	"github.com/silverback-gateway/silverback/test/process"
)

var binaries process.Binaries // built once, by TestMain

func TestMain(m *testing.M) {
	var err error
	if binaries, err = process.Build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	binaries.Remove()
	os.Exit(code)
}

// TestTheSuiteOnALab runs what every fleet must do on labs.
func TestTheSuiteOnALab(t *testing.T) {
	f := labfleet.Start(t, binaries, lab.Config{CollectInterval: time.Second, KeepRevisions: 2})
	suite.Run(t, &suite.Fleet{Group: lab.Group, CLI: f.CLI, Upstream: f.Echo(), Gateways: outside(f)})
	var collections float64
	for replica, address := range f.Metrics() {
		if strings.HasPrefix(replica, "distributor") {
			collections += collected(t, address)
		}
	}
	if collections == 0 {
		t.Error("the suite ran without a collection beside it")
	}
}

// outside is what is seen of a lab's gateways from outside.
func outside(f *labfleet.Fleet) (all []*process.Gateway) {
	for _, m := range f.Gateways() {
		all = append(all, &process.Gateway{Name: m.Name, Proxy: m.Kong.Proxy, HTTP: m.HTTP})
	}
	return all
}

// posts counts the loads that each gateway was asked for.
func posts(f *labfleet.Fleet) []int {
	var all []int
	for _, m := range f.Gateways() {
		all = append(all, m.Simulated.Posts())
	}
	return all
}

// collected returns how many collections of old revisions a distributor asked for that ended well.
func collected(t *testing.T, address string) float64 {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	const name = `silverback_distributor_collections_total{outcome="done"} `
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if text, found := strings.CutPrefix(lines.Text(), name); found {
			n, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("%s does not tell %s", address, name)
	return 0
}
