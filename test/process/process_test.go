package process_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/test/process"
)

var binaries process.Binaries // built once, by TestMain

func TestMain(m *testing.M) {
	var err error
	if binaries, err = process.Build("kongsim", "silverback"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	binaries.Remove()
	os.Exit(code)
}

func TestAProcessComesBackAtItsAddress(t *testing.T) {
	admin := process.Address(t)
	p := process.Start(t, "kongsim", binaries.Path("kongsim"), "-admin="+admin, "-proxy="+process.Address(t), "-status="+process.Address(t))
	answers := func() error { return process.Ready("http://" + admin + "/status") }
	process.Eventually(t, process.StartTime, "the gateway answers", answers)

	p.Kill()
	if err := answers(); err == nil || p.Running() {
		t.Errorf("after kill -9: answers: %v, running: %v", err == nil, p.Running())
	}
	p.Restart()
	process.Eventually(t, process.StartTime, "the gateway answers again", answers)
	if n := strings.Count(p.Log(), "simulation"); n != 2 {
		t.Errorf("the output of both lives has %d banners:\n%s", n, p.Log())
	}
	if p.RSS() == 0 {
		t.Log("this system does not say how much memory a process has")
	}

	p.Freeze()
	waited := make(chan error, 1)
	go func() { waited <- answers() }()
	select {
	case err := <-waited:
		t.Fatalf("a frozen process answered: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	p.Thaw()
	if err := <-waited; err != nil {
		t.Errorf("a thawed process does not go on: %v", err)
	}
	p.Stop()
	if p.Running() {
		t.Error("the process runs after SIGTERM")
	}
}

func TestACommandTellsItsStreamsAndItsCode(t *testing.T) {
	cli := process.CLI{Path: binaries.Path("silverback")}
	if r := cli.Run(t, "--version"); r.Code != 0 || !strings.HasPrefix(r.Stdout, "silverback ") || r.Stderr != "" {
		t.Errorf("--version: %+v", r)
	}
	if r := cli.RunInput(t, strings.NewReader(""), "no-such-command"); r.Code != 1 || r.Stderr == "" {
		t.Errorf("an unknown command: %+v", r)
	}
	k := cli.Start(t, nil, "--help")
	if !k.WaitFor("Exit codes") || k.WaitFor("no such text") {
		t.Error("WaitFor does not see what the command prints")
	}
}
