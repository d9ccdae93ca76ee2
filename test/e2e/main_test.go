package e2e_test

import (
	"fmt"
	"os"
	"testing"

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
	f := labfleet.Start(t, binaries, lab.Config{})
	suite.Run(t, &suite.Fleet{Group: lab.Group, CLI: f.CLI, Upstream: f.Echo(), Gateways: outside(f)})
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
