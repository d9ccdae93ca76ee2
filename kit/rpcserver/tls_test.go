package rpcserver_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/identity"
	"github.com/silverback-gateway/silverback/kit/rpc"
	"github.com/silverback-gateway/silverback/kit/rpcserver"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/kit/tlsfiles/tlstest"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
)

func viewer(name string) identity.Identity {
	return identity.Identity{Kind: identity.User, Name: name, Role: identity.Viewer}
}

// secured starts a server that tells its callers apart, and returns its address.
func secured(t *testing.T, f tlsfiles.Files) string {
	t.Helper()
	s, err := rpcserver.New(
		rpcserver.Config{Listen: "127.0.0.1:0", CertFile: f.Cert, KeyFile: f.Key, ClientCAFile: f.CA, StopTime: time.Second},
		rpcserver.Deps{Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	registryv1.RegisterRegistryServiceServer(s, registry{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return s.Address()
}

func dial(t *testing.T, address string, f tlsfiles.Files) registryv1.RegistryServiceClient {
	t.Helper()
	conn, err := rpc.Dial(rpc.ClientConfig{Addresses: []string{address}, TLS: rpc.ClientTLS{CAFile: f.CA, CertFile: f.Cert, KeyFile: f.Key}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return registryv1.NewRegistryServiceClient(conn)
}

func TestCertificatesAreReplacedWithoutEndingStreams(t *testing.T) {
	ca := tlstest.New(t)
	server := ca.Issue("server", identity.Identity{Kind: identity.Service, Name: "registry"}.URI("silverback"))
	client := ca.Issue("client", viewer("ann").URI("silverback"))
	address := secured(t, server)
	c := dial(t, address, client)
	stream, err := c.WatchGroups(t.Context(), &registryv1.WatchGroupsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.GetGroup(t.Context(), &registryv1.GetGroupRequest{Name: "g"}); err != nil {
		t.Fatal(err)
	}
	before := shown(t, address, client)
	ca.Issue("server", identity.Identity{Kind: identity.Service, Name: "registry"}.URI("silverback"))
	// The files are looked at once a second at most.
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for shown(t, address, client) == before {
		select {
		case <-deadline:
			t.Fatal("the new certificate was never shown")
		case <-tick.C:
		}
	}
	// The stream of before still stands, and so does its connection.
	ended := make(chan error, 1)
	go func() { _, err := stream.Recv(); ended <- err }()
	if _, err := c.GetGroup(t.Context(), &registryv1.GetGroupRequest{Name: "g"}); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		t.Errorf("the stream ended: %v", err)
	default:
	}
	// A client that dials anew after its own files were replaced is who they say.
	ca.Issue("client", identity.Identity{Kind: identity.Node, Group: "g", Name: "n"}.URI("silverback"))
	if _, err := dial(t, address, client).GetGroup(t.Context(), &registryv1.GetGroupRequest{Name: "g"}); status.Code(
		err) != codes.PermissionDenied {
		t.Errorf("a node got %v", err)
	}
}

// shown returns the serial number of the certificate that a listener shows.
func shown(t *testing.T, address string, f tlsfiles.Files) string {
	t.Helper()
	source, err := tlsfiles.Client(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	config := source.Config().Clone()
	config.ServerName, config.NextProtos = "localhost", []string{"h2"}
	conn, err := (&tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: config}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func TestWhoCallsIsKnownByCertificate(t *testing.T) {
	ca, stranger := tlstest.New(t), tlstest.New(t)
	address := secured(t, ca.Issue("server"))
	other := stranger.Issue("stranger", viewer("eve").URI("silverback"))
	other.CA = ca.File
	for name, c := range map[string]struct {
		files tlsfiles.Files
		code  codes.Code
		says  string
	}{
		"a viewer":          {ca.Issue("ann", viewer("ann").URI("silverback")), codes.OK, ""},
		"no certificate":    {tlsfiles.Files{CA: ca.File}, codes.Unavailable, ""},
		"another authority": {other, codes.Unavailable, ""},
		"no URI":            {ca.Issue("nameless"), codes.PermissionDenied, "0 URIs"},
		"two URIs": {ca.Issue("twofold", viewer("a").URI("silverback"), viewer("b").URI("silverback")),
			codes.PermissionDenied, "2 URIs"},
		"another trust domain": {ca.Issue("foreign", viewer("a").URI("elsewhere")), codes.PermissionDenied, "trust domain"},
		"a service without this need": {ca.Issue("svc", identity.Identity{Kind: identity.Service, Name: "registry"}.URI("silverback")),
			codes.PermissionDenied, "service registry may not call"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err := dial(t, address, c.files).GetGroup(ctx, &registryv1.GetGroupRequest{Name: "g"})
			if status.Code(err) != c.code || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %s %q", err, c.code, c.says)
			}
		})
	}
}

func TestListenersThatLetStrangersInMustBeMeant(t *testing.T) {
	f := tlstest.New(t).Issue("server")
	for name, c := range map[string]struct {
		config rpcserver.Config
		says   string
	}{
		"loopback":                 {rpcserver.Config{Listen: "127.0.0.1:1"}, ""},
		"no TLS":                   {rpcserver.Config{Listen: "0.0.0.0:1"}, "has no TLS"},
		"no TLS, meant":            {rpcserver.Config{Listen: "0.0.0.0:1", Insecure: true}, ""},
		"TLS for everybody":        {rpcserver.Config{Listen: "0.0.0.0:1", CertFile: f.Cert, KeyFile: f.Key}, "--client-ca-file"},
		"callers are told apart":   {rpcserver.Config{Listen: "0.0.0.0:1", CertFile: f.Cert, KeyFile: f.Key, ClientCAFile: f.CA}, ""},
		"a certificate only":       {rpcserver.Config{Listen: "127.0.0.1:1", CertFile: f.Cert}, "go together"},
		"files that are not there": {rpcserver.Config{Listen: "127.0.0.1:1", CertFile: "no.crt", KeyFile: "no.key"}, "no.crt"},
		"an authority without TLS": {rpcserver.Config{Listen: "127.0.0.1:1", ClientCAFile: f.CA}, "needs --cert-file"},
		"a key of another purpose": {rpcserver.Config{Listen: "127.0.0.1:1", CertFile: f.Cert, KeyFile: f.Cert}, "--key-file"},
		"an authority that is none": {rpcserver.Config{Listen: "127.0.0.1:1", CertFile: f.Cert, KeyFile: f.Key, ClientCAFile: f.Key},
			"--client-ca-file"},
	} {
		err := c.config.Check()
		if (c.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %q", name, err, c.says)
		}
	}
}
