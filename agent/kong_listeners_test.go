package agent_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/silverback-gateway/silverback/agent"
	"github.com/silverback-gateway/silverback/agent/internal/controlplanetest"
	"github.com/silverback-gateway/silverback/kit/tlsfiles/tlstest"
	"github.com/silverback-gateway/silverback/kong/proof"
	"github.com/silverback-gateway/silverback/kong/snapshot"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

// A directive is loaded and proven with TLS on every listener. The agent has a client certificate; the proxy's certificate is not verified.
func TestAGatewayThatSpeaksNothingButTLS(t *testing.T) {
	authority := tlstest.New(t)
	control, proxy := authority.Server("127.0.0.1"), authority.Server("api.example.com")
	control.ClientAuth, control.ClientCAs = tls.RequireAndVerifyClientCert, authority.Pool()
	proxy.NextProtos = []string{"h2", "http/1.1"}
	n := newNode(t, kongtest.With(kongtest.Options{AdminTLS: control, StatusTLS: control, ProxyTLS: proxy, Workers: 3}))
	n.config.KongTLS = agent.KongTLS{Files: authority.Issue("agent")}
	n.started()
	first := controlplanetest.Routes(t, "a")
	if ack := n.acked(1, 10, nil, first); ack.GetProof() != fleetv1.Proof_PROOF_WORKER || ack.GetProofTime().AsDuration() <= 0 {
		t.Errorf("ack %v", ack)
	}
	n.acked(2, 11, first, controlplanetest.Routes(t, "a", "b"))
	resp, err := http.Get("http://" + n.agent.HTTPAddress() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	var proofs int
	for line := range strings.Lines(string(page)) {
		if _, err := fmt.Sscanf(line, "silverback_agent_proof_seconds_count %d", &proofs); err == nil {
			break
		}
	}
	if err != nil || proofs < 2 {
		t.Errorf("%d proofs were measured, %v", proofs, err)
	}
}

func TestAGatewayBehindSockets(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return "unix:" + filepath.Join(dir, name) }
	n := newNode(t, kongtest.With(kongtest.Options{Admin: at("a"), Status: at("s"), Proxy: at("p"), Workers: 2}))
	n.started()
	if ack := n.acked(1, 10, nil, controlplanetest.Routes(t, "a")); ack.GetProof() != fleetv1.Proof_PROOF_WORKER {
		t.Errorf("ack %v", ack)
	}
}

func seal(t *testing.T, routes ...string) *snapshot.Snapshot {
	t.Helper()
	var entities []snapshot.Entity
	for i, name := range routes {
		id := []string{"00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"}[i]
		entities = append(entities, snapshot.Entity{Kind: "routes", ID: id, Key: name, JSON: []byte(
			`{"hosts":["` + proof.Host + `","*.internal"],"id":"` + id + `","methods":["GET"],"name":"` + name + `","paths":["/"]}`)})
	}
	s, err := snapshot.Seal(entities)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The control plane refuses these names at submit; a snapshot that has one all the same is refused with a clear message.
func TestAUsersRouteInTheReservedPlace(t *testing.T) {
	n := newNode(t, kongtest.Workers(2))
	n.started()
	n.acked(1, 10, nil, seal(t, "same-host"))
	n.direct(2, 11, seal(t, "same-host"), seal(t, "same-host", proof.RouteName))
	o := n.outcome()
	p := o.GetNack().GetProblems()
	if len(p) != 1 || p[0].GetKind() != "route" || p[0].GetName() != proof.RouteName || p[0].GetField() != "name" ||
		!strings.Contains(p[0].GetMessage(), "reserved") {
		t.Errorf("outcome %v", o)
	}
}

func TestF17_ASnapshotOverTheGatewaysLimitIsANack(t *testing.T) {
	n := newNode(t, kongtest.With(kongtest.Options{BodyLimit: 4000}))
	n.started()
	small := controlplanetest.Routes(t, "a")
	n.acked(1, 10, nil, small)
	posts := n.kong.Posts()
	n.direct(2, 11, small, large(t, 50))
	o := n.outcome()
	if p := o.GetNack().GetProblems(); len(p) != 1 || !strings.Contains(p[0].GetMessage(), "nginx_admin_client_max_body_size") ||
		!strings.Contains(p[0].GetMessage(), "4000") {
		t.Errorf("outcome %v", o)
	}
	if n.kong.Posts() != posts {
		t.Error("it was posted all the same")
	}
}

// Another major.minor drops what its LMDB held: the agent gives the gateway its last known good and reports the version.
func TestF29_AnUpgradedGatewayGetsItsConfigurationBack(t *testing.T) {
	n := newNode(t)
	n.started()
	n.acked(1, 10, nil, controlplanetest.Routes(t, "a"))
	hash := n.kong.Hash()
	if err := n.kong.Upgrade(context.Background(), "3.10.0"); err != nil {
		t.Fatal(err)
	}
	n.until("the gateway has its configuration back", func() bool { return n.kong.Hash() == hash && n.proxied("/a") == 200 })
	n.until("the version is known", func() bool { return n.agent.Status().KongVersion == "3.10.0" })
	n.until("a condition says so", func() bool {
		return strings.Contains(n.condition("GatewayVersionChanged"), "from version 3.9.3 to 3.10.0")
	})
	n.until("the registry knows the version", func() bool {
		all := n.controlPlane.Enrolments()
		return all[len(all)-1].GetCapabilities().GetKongVersion() == "3.10.0"
	})
}
