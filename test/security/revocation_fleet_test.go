package security

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/test/process"
	"github.com/silverback-gateway/silverback/testkit/etcdtest"
)

// within is how soon a revocation must be in force everywhere.
const within = 5 * time.Second

// outsider is somebody with a certificate, and a stream that is open at every replica of every service.
type outsider struct {
	t     *testing.T
	name  string
	fleet *process.Fleet
	conns map[*process.Service]*grpc.ClientConn
	ended chan string // the replicas whose streams ended
}

func newOutsider(t *testing.T, f *process.Fleet, name string, files tlsfiles.Files) *outsider {
	t.Helper()
	o := &outsider{t: t, name: name, fleet: f, conns: map[*process.Service]*grpc.ClientConn{}, ended: make(chan string, 100)}
	for _, s := range f.Services() {
		conn, err := rpc.Dial(rpc.ClientConfig{Addresses: []string{s.GRPC}, TLS: rpc.ClientTLS{CAFile: files.CA, CertFile: files.Cert,
			KeyFile: files.Key}}, grpc.WithDisableRetry())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		o.conns[s] = conn
	}
	return o
}

// open opens a stream at every replica.
func (o *outsider) open() {
	o.t.Helper()
	for s, conn := range o.conns {
		stream, err := healthv1.NewHealthClient(conn).Watch(o.t.Context(), &healthv1.HealthCheckRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		if err != nil {
			o.t.Fatalf("a stream of %s at %s: %v", o.name, s.Name, err)
		}
		go func() {
			for err == nil {
				_, err = stream.Recv()
			}
			o.ended <- s.Name
		}()
	}
}

// cut fails the test unless every stream ends in time.
func (o *outsider) cut(since time.Time) {
	o.t.Helper()
	over := time.After(time.Until(since.Add(within)))
	for left := len(o.conns); left > 0; left-- {
		select {
		case <-o.ended:
		case <-over:
			o.t.Fatalf("%s after it was revoked %s has %d streams that go on", within, o.name, left)
		}
	}
}

// out fails the test unless every replica refuses its calls in time.
func (o *outsider) out(since time.Time) {
	o.t.Helper()
	for s, conn := range o.conns {
		process.Eventually(o.t, max(time.Until(since.Add(within)), time.Second), s.Name+" refuses "+o.name, func() error {
			_, err := healthv1.NewHealthClient(conn).Check(o.t.Context(), &healthv1.HealthCheckRequest{})
			if !refusedAsRevoked(err) {
				return fmt.Errorf("it is answered %s", status.Convert(err))
			}
			return nil
		})
	}
}

// undisturbed fails the test when a stream ended.
func (o *outsider) undisturbed() {
	o.t.Helper()
	select {
	case at := <-o.ended:
		o.t.Errorf("the stream of %s at %s ended", o.name, at)
	default:
	}
}

func refusedAsRevoked(err error) bool {
	return errors.Is(fault.FromStatus(err), &fault.Error{Kind: fault.Denied, Reason: "CERTIFICATE_REVOKED"})
}

// TestARevocationIsInForceEverywhere runs two replicas of each service as processes: a node and a user are cut off at all of them within
// seconds and stay out over a restart of everything, until it is undone; a node that is deleted is out alike; others are not disturbed.
func TestARevocationIsInForceEverywhere(t *testing.T) {
	binaries, err := process.Build()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(binaries.Remove)
	certs := filepath.Join(t.TempDir(), "certs")
	local := "127.0.0.1,localhost"
	if r := (process.CLI{Path: binaries.Path("silverback")}).Run(t, "certs", "--dir", certs, "--service", "registry="+local, "--service",
		"translator="+local,
		"--service", "distributor="+local, "--node", process.Group+"/gw-1", "--node", process.Group+"/gw-2", "--user", "admin=admin", "--user",
		"ann=operator",
		"--user", "sam=submitter", "--etcd", local); r.Code != 0 {
		t.Fatalf("silverback certs: %s", r.Stderr)
	}
	file := func(name string) string { return filepath.Join(certs, name) }
	pair := func(name string) tlsfiles.Files {
		return tlsfiles.Files{CA: file("ca.crt"), Cert: file(name + ".crt"), Key: file(name + ".key")}
	}
	etcd := etcdtest.StartSecure(t, tlsfiles.Files{Cert: file("etcd-member.crt"), Key: file("etcd-member.key"), CA: file("etcd-ca.crt")})
	authorize(t, etcd.Endpoints, file)
	f := process.StartFleet(t, binaries, etcd.Endpoints, process.Config{Registries: 2, Translators: 2, Distributors: 2, Gateways: 2,
		Certs: certs})
	config := filepath.Join(t.TempDir(), "shop.yaml")
	put := func(path string) {
		t.Helper()
		text := fmt.Sprintf("_format_version: \"3.0\"\nservices:\n- name: shop\n  url: http://127.0.0.1:9\n  routes:\n  - name: shop\n    "+
			"paths: [%s]\n", path)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(user string, code int, says string, args ...string) {
		t.Helper()
		cli := f.CLI()
		cli.Env = f.User(user)
		if r := cli.Run(t, args...); r.Code != code || !strings.Contains(r.Stdout+r.Stderr, says) {
			t.Errorf("%s as %s: exit code %d, want %d with %q\n%s%s", strings.Join(args, " "), user, r.Code, code, says, r.Stdout, r.Stderr)
		}
	}
	put("/one")
	run("ann", 0, "", "apply", "-g", process.Group, "--wait", config)
	node := newOutsider(t, f, "node gw-1", pair("node-"+process.Group+"-gw-1"))
	other := newOutsider(t, f, "node gw-2", pair("node-"+process.Group+"-gw-2"))
	ann, sam := newOutsider(t, f, "user ann", pair("user-ann")), newOutsider(t, f, "user sam", pair("user-sam"))
	for _, o := range []*outsider{node, other, ann, sam} {
		o.open()
	}
	agent := f.Gateways[0]
	offline := func() error {
		if v, err := agent.View(); err != nil || v.Connected {
			return fmt.Errorf("connected: %v, %w", v.Connected, err)
		}
		return nil
	}

	began := time.Now()
	run("admin", 0, "are refused", "revoke", "node", "gw-1", "--reason", "disk stolen")
	node.cut(began)
	node.out(began)
	process.Eventually(t, within, "the agent of gw-1 has no stream", offline)
	watched := make(chan error, len(f.Translators))
	for _, s := range f.Translators {
		stream, err := translatorv1.NewTranslatorServiceClient(ann.conns[s]).WatchRevisions(t.Context(), &translatorv1.WatchRevisionsRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for err == nil {
				_, err = stream.Recv()
			}
			watched <- err
		}()
	}
	began = time.Now()
	run("admin", 0, "are refused", "revoke", "user", "ann")
	ann.cut(began)
	for range f.Translators {
		select {
		case err := <-watched:
			t.Logf("a watch of revisions ended: %v", err)
		case <-time.After(within):
			t.Error("a watch of revisions goes on")
		}
	}
	ann.out(began)
	submits(t, ann, true)
	other.undisturbed()
	sam.undisturbed()
	run("sam", 0, "disk stolen", "get", "revocations")
	run("admin", 1, "--allow-self", "revoke", "user", "admin")

	for _, s := range f.Services() {
		s.Kill()
	}
	for _, s := range f.Services() {
		s.Restart()
	}
	submits(t, ann, false) // at no moment is it let in
	for _, s := range f.Services() {
		s.WaitReady()
	}
	began = time.Now()
	submits(t, ann, true)
	node.out(began)
	ann.out(began)
	process.Eventually(t, process.StartTime, "the agent of gw-1 is refused", func() error {
		if !strings.Contains(agent.Agent.Log(), "this node's certificate is revoked") {
			return errors.New("it does not say so")
		}
		return offline()
	})

	run("admin", 0, "", "unrevoke", "user", "ann")
	run("admin", 0, "", "unrevoke", "node", "gw-1")
	agent.WaitJoined(t)
	put("/two")
	run("ann", 0, "", "apply", "-g", process.Group, "--wait", config)
	if err := agent.Serves(2); err != nil {
		t.Error(err)
	}

	began = time.Now()
	node.ended = make(chan string, 100)
	node.open()
	run("admin", 0, "are refused", "delete", "node", "gw-1", "-g", process.Group)
	node.cut(began)
	node.out(began)
	process.Eventually(t, within, "the agent of gw-1 has no stream", offline)
	run("admin", 1, "gw-1", "describe", "node", "gw-1", "-g", process.Group)
	run("admin", 0, "", "unrevoke", "node", "gw-1")
	agent.WaitJoined(t)
}

// submits has a revoked user submit to every translator, which must never be let in. With told every one must say why, and soon.
func submits(t *testing.T, user *outsider, told bool) {
	t.Helper()
	for _, s := range user.fleet.Translators {
		submit := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			_, err := translatorv1.NewTranslatorServiceClient(user.conns[s]).SubmitConfig(ctx,
				&translatorv1.SubmitConfigRequest{Group: process.Group, Source: "stolen"})
			if refusedAsRevoked(err) {
				return nil
			}
			if !errors.Is(fault.FromStatus(err), fault.Of(fault.Down)) {
				t.Fatalf("a submission to %s as %s got %v", s.Name, user.name, err)
			}
			return err
		}
		if told {
			process.Eventually(t, within, s.Name+" says that the certificate of "+user.name+" is revoked", submit)
		} else {
			_ = submit()
		}
	}
}
