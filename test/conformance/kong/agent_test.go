package kong_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/lab"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

var errOver = errors.New("the test is over")

// fleet runs a whole control plane with one agent beside a gateway.
func fleetOf(t *testing.T, k *target) *lab.Lab {
	t.Helper()
	// What an earlier test left there is none of the fleet's, which would leave it alone.
	if got := k.post(t, nothing); got.code != http.StatusCreated && got.code != http.StatusNotModified {
		t.Fatalf("empty the gateway: %s", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	l, err := lab.New(ctx, lab.Config{Dir: t.TempDir(), FreePorts: true, Real: []lab.Kong{{Admin: k.admin, Proxy: k.proxy, Status: k.status}}})
	if err != nil {
		t.Fatalf("start the lab: %v", err)
	}
	running, stop := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(running) }()
	t.Cleanup(func() {
		stop(errOver)
		if err := <-ended; !errors.Is(err, errOver) {
			t.Errorf("the lab ended with %v", err)
		}
	})
	return l
}

func submit(t *testing.T, l *lab.Lab, document string) int64 {
	t.Helper()
	conn, err := rpc.Dial(rpc.ClientConfig{Addresses: l.Translator()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	var revision int64
	eventually(t, "the translator takes the configuration", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		answer, err := translatorv1.NewTranslatorServiceClient(conn).SubmitConfig(ctx, &translatorv1.SubmitConfigRequest{
			Group: lab.Group, AllowShrink: true, Documents: []*translatorv1.Document{{Name: "conformance.yaml", Content: []byte(document)}},
		})
		revision = answer.GetRevision().GetNumber()
		return err
	})
	return revision
}

// The agent's own way with a gateway: what it finds out, what it loads, how it proves it, and what it does when the gateway forgets.
func TestF39_AnAgentProvesWhatItLoadedAndGivesBackWhatWasLost(t *testing.T) {
	each(t, func(t *testing.T, k *target) {
		upstream := echo(t)
		l := fleetOf(t, k)
		a := l.Gateways()[0].Agent
		document := func(path string) string {
			return fmt.Sprintf("_format_version: \"3.0\"\nservices:\n- name: echo\n  url: %s\n  routes:\n  - name: echo\n    paths: [%s]\n",
				upstream, path)
		}
		serving := func(revision int64) {
			eventually(t, fmt.Sprintf("revision %d is proven", revision), func() error {
				if v := a.Status(); v.Revision != revision || !v.Proven {
					return fmt.Errorf("%+v", v)
				}
				return nil
			})
		}
		for _, path := range []string{"/first", "/second"} {
			serving(submit(t, l, document(path)))
			k.served(t, path+"/x", 200, "echo /x")
		}
		k.served(t, "/first", 404, "no Route matched with those values")
		v, r := a.Status(), k.root(t)
		want := "worker"
		if r.Configuration.UntrustedLua == "off" {
			want = "route"
		}
		if v.KongVersion != r.Version || v.Proof != want || v.ProofTime <= 0 || v.LoadTime <= 0 {
			t.Errorf("the agent says %+v of %s", v, r.Version)
		}
		// Somebody empties the gateway: that is lost, not drifted, and is always mended.
		hash := k.hash(t)
		if got := k.post(t, nothing); got.code != 201 {
			t.Fatal(got)
		}
		eventually(t, "the gateway has its configuration back", func() error {
			if got := k.hash(t); got != hash {
				return fmt.Errorf("hash %s, want %s", got, hash)
			}
			return nil
		})
		k.served(t, "/second/x", 200, "echo /x")
	})
}
