package e2e_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/rpc"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/test/e2e/suite"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// TestHugeAndBrokenInput gives a fleet of processes what it cannot take, or never gets whole. Each must be refused with words, change
// nothing, and cost little.
func TestHugeAndBrokenInput(t *testing.T) {
	etcd := etcdtest.Start(t)
	f := process.StartFleet(t, binaries, etcd.Endpoints, process.Config{Registries: 1, Translators: 1, Distributors: 1, Gateways: 1})
	cli := f.CLI()
	good := "_format_version: \"3.0\"\nroutes:\n- name: good\n  paths: [/good]\n  plugins:\n  - {name: request-termination, config: " +
		"{status_code: 200}}\n"
	suite.Want(t, cli.Run(t, "apply", "-g", process.Group, "--wait", suite.Write(t, "good.yaml", good)), 0)

	big := suite.Write(t, "big.yaml", good)
	if err := os.Truncate(big, 65<<20); err != nil {
		t.Fatal(err)
	}
	full := suite.Write(t, "full.yaml", good+"# "+strings.Repeat("x", 63<<20)+"\n")
	t.Run("65 MiB", func(t *testing.T) {
		suite.Want(t, cli.Run(t, "apply", "-g", process.Group, big), 1, "over the limit of 64 MiB")
		untouched(t, f)
	})
	t.Run("65 MiB past the command line", func(t *testing.T) {
		conn, err := rpc.Dial(rpc.ClientConfig{Addresses: cli.Translator})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_, err = translatorv1.NewTranslatorServiceClient(conn).SubmitConfig(t.Context(), &translatorv1.SubmitConfigRequest{
			Group: process.Group, Documents: []*translatorv1.Document{{Name: "big.yaml", Content: make([]byte, 65<<20)}},
		})
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(status.Convert(err).Message(), "67108864") {
			t.Errorf("want it refused with the limit, got %v", err)
		}
		untouched(t, f)
	})
	t.Run("almost 64 MiB", func(t *testing.T) {
		suite.Want(t, cli.Run(t, "apply", "-g", process.Group, "--wait", full), 0, "unchanged") // one long comment
		untouched(t, f)
	})
	t.Run("a connection that closes half way", func(t *testing.T) {
		large := suite.Write(t, "large.yaml", suite.Shop("127.0.0.1:1", manyPaths(20_000)...))
		cut := cutter(t, f.Translators[0].GRPC, 256<<10)
		broken := cli
		broken.Translator = []string{cut.address}
		r := suite.Want(t, broken.Run(t, "apply", "-g", process.Group, "--timeout", "20s", large), 1, "error: ")
		if strings.Contains(r.Stderr, "rpc error") {
			t.Errorf("not for people: %s", r.Stderr)
		}
		t.Logf("cut %d times: %s", cut.cuts.Load(), r.Stderr)
		if cut.cuts.Load() == 0 {
			t.Error("no connection was cut")
		}
		untouched(t, f)
	})
	t.Run("a client that is killed half way", func(t *testing.T) {
		large := suite.Write(t, "large.yaml", suite.Shop("127.0.0.1:1", manyPaths(20_000)...))
		cut := cutter(t, f.Translators[0].GRPC, 1<<40)
		slow := cli
		slow.Translator = []string{cut.address}
		k := slow.Start(t, nil, "validate", large) // validate, since an apply that arrived whole may be committed
		<-cut.first
		k.Kill()
		k.Wait()
		untouched(t, f)
	})
	t.Run("memory", func(t *testing.T) {
		rss := f.Translators[0].RSS()
		if rss == 0 {
			t.Fatal("the system does not say what the process has resident")
		}
		t.Logf("the translator had at most %d MiB resident", rss>>20)
		if rss > 1200<<20 {
			t.Errorf("the translator had %d MiB resident for inputs of up to 64 MiB", rss>>20)
		}
	})
	suite.Want(t, cli.Run(t, "apply", "-g", process.Group, "--wait", "--allow-shrink",
		suite.Write(t, "next.yaml", strings.ReplaceAll(good, "good", "next"))), 0, "revision 2 committed")
}

// untouched fails the test unless there is one revision and the gateway serves it.
func untouched(t *testing.T, f *process.Fleet) {
	t.Helper()
	suite.Untouched(t, f.CLI(), process.Group, f.Gateways, 1)
}

func manyPaths(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("path-%06d", i))
	}
	return all
}

// A cut is a way to a service on which every connection breaks after so many bytes from the client.
type cut struct {
	address string
	cuts    atomic.Int64
	first   chan struct{} // closed when the first 64 KiB have passed
}

func cutter(t *testing.T, to string, after int64) *cut {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cut{address: l.Addr().String(), first: make(chan struct{})}
	t.Cleanup(func() { _ = l.Close() })
	var passed atomic.Bool
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return // the test is over
			}
			service, err := net.Dial("tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() { _, _ = io.Copy(client, service); _ = client.Close() }()
			go func() {
				n, _ := io.CopyN(service, client, min(after, 64<<10))
				if n == 64<<10 && passed.CompareAndSwap(false, true) {
					close(c.first)
				}
				more, _ := io.CopyN(service, client, after-n)
				if n+more == after {
					c.cuts.Add(1)
				}
				_ = service.Close()
				_ = client.Close()
			}()
		}
	}()
	return c
}
