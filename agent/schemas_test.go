package agent_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/controlplanetest"
	"github.com/silverback-gateway/silverback/kong/schema"
	fleetv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/fleet/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/testkit/kongtest"
)

const (
	routesSchema = `{"fields":[{"id":{"type":"string","uuid":true,"auto":true}},{"name":{"type":"string"}},{"paths":{"type":"array",` +
		`"elements":{"type":"string"}}}]}`
	pluginsSchema = `{"fields":[{"id":{"type":"string","uuid":true,"auto":true}},{"name":{"type":"string","required":true}}]}`
)

func writeSchema(t *testing.T, dir, name, text string) {
	t.Helper()
	at := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// withSchemas is a node whose gateway has schemas from a folder that the test may change.
func withSchemas(t *testing.T) (*node, string) {
	dir := t.TempDir()
	writeSchema(t, dir, "entities/routes.json", routesSchema)
	writeSchema(t, dir, "entities/plugins.json", pluginsSchema)
	return newNode(t, func(o *kongtest.Options) { o.SchemaDir = dir }), dir
}

func (n *node) capabilities() *fleetv1.Capabilities {
	for _, e := range n.controlPlane.Enrolments() {
		if c := e.GetCapabilities(); c != nil {
			return c
		}
	}
	return nil
}

func (n *node) digest() string {
	all := n.controlPlane.Enrolments()
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1].GetCapabilities().GetSchemaDigest()
}

func (n *node) upload() *registryv1.UploadSchemasRequest {
	n.t.Helper()
	select {
	case u := <-n.controlPlane.Uploads:
		return u
	case <-time.After(patience):
		n.t.Fatal("nothing was uploaded")
		return nil
	}
}

func TestSchemasAreReportedAndUploadedOnRequest(t *testing.T) {
	n, _ := withSchemas(t)
	n.started()
	n.until("the digest is told", func() bool { return n.digest() != "" })
	if first := n.capabilities(); first.GetSchemaDigest() == "" {
		t.Error("the gateway was told of before its schemas were tried")
	}
	select {
	case <-n.controlPlane.Uploads:
		t.Error("uploaded without being asked")
	default:
	}
	n.controlPlane.WantSchemas()
	u := n.upload()
	b, err := schema.Unpack(u.GetZstd())
	if err != nil {
		t.Fatal(err)
	}
	if string(b.Digest()) != u.GetDigest() || u.GetDigest() != n.digest() || u.GetGroup() != "default" || u.GetNode() != "n1" {
		t.Errorf("uploaded %s as %s of %s/%s, told %s", b.Digest(), u.GetDigest(), u.GetGroup(), u.GetNode(), n.digest())
	}
	if b.KongVersion() != kongtest.KongVersion {
		t.Errorf("the bundle is of Kong %q", b.KongVersion())
	}
	n.controlPlane.WantSchemas() // the registry lost it
	if again := n.upload(); again.GetDigest() != u.GetDigest() {
		t.Errorf("the second upload is %s", again.GetDigest())
	}
}

func TestSchemasAreReadAgainWhenTheGatewayWasRestarted(t *testing.T) {
	n, dir := withSchemas(t)
	n.started()
	n.until("the digest is told", func() bool { return n.digest() != "" })
	before := n.digest()
	writeSchema(t, dir, "vaults/env.json", `{"fields":[{"prefix":{"type":"string"}}]}`)
	if err := n.kong.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.until("another digest is told", func() bool { d := n.digest(); return d != "" && d != before })
	n.controlPlane.WantSchemas()
	if u := n.upload(); u.GetDigest() != n.digest() {
		t.Errorf("uploaded %s, told %s", u.GetDigest(), n.digest())
	}
}

func TestAGatewayWithoutSchemasHasNoDigest(t *testing.T) {
	n := newNode(t)
	n.started()
	n.until("the gateway is told of", func() bool { return n.capabilities() != nil })
	n.acked(1, 10, nil, controlplanetest.Routes(t, "a"))
	n.until("no condition stands", func() bool { return len(n.agent.Status().Conditions) == 0 })
	if d := n.digest(); d != "" {
		t.Errorf("digest %q", d)
	}
}

// behind puts a listener before the gateway's Admin API that answers for schemas itself.
func (n *node) behind(schemas http.HandlerFunc) {
	n.t.Helper()
	kong, err := url.Parse(n.kong.AdminURL())
	if err != nil {
		n.t.Fatal(err)
	}
	through := httputil.NewSingleHostReverseProxy(kong)
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/schemas/") {
			schemas(w, r)
			return
		}
		through.ServeHTTP(w, r)
	}))
	n.t.Cleanup(admin.Close)
	n.config.KongAdmin = admin.URL
}

func showRoutes(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, routesSchema)
}

func TestUnreadableSchemasBlockNothing(t *testing.T) {
	n := newNode(t)
	var broken atomic.Bool
	broken.Store(true)
	n.behind(func(w http.ResponseWriter, _ *http.Request) {
		if broken.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		showRoutes(w)
	})
	n.started()
	n.until("the gateway is told of", func() bool { return n.capabilities() != nil })
	n.acked(1, 10, nil, controlplanetest.Routes(t, "a"))
	if d := n.digest(); d != "" {
		t.Errorf("digest %q", d)
	}
	broken.Store(false)
	n.until("the digest is told", func() bool { return n.digest() != "" })
}

// Otherwise a group would lose its schemas for a moment at each restart of an agent.
func TestSchemasAreReadBeforeTheGatewayIsReported(t *testing.T) {
	n := newNode(t)
	asked, show := make(chan struct{}, 1000), make(chan struct{})
	n.behind(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-show:
			showRoutes(w)
		case <-r.Context().Done():
		}
	})
	n.started()
	select {
	case <-asked:
	case <-time.After(patience):
		t.Fatal("no schema was asked for")
	}
	from, _ := n.controlPlane.Renewals()
	n.until("the node was renewed a few times", func() bool {
		now, _ := n.controlPlane.Renewals()
		return now >= from+2
	})
	if c := n.capabilities(); c != nil {
		t.Errorf("told of %v", c)
	}
	close(show)
	n.until("the gateway is told of", func() bool { return n.capabilities() != nil })
	if n.capabilities().GetSchemaDigest() == "" {
		t.Error("first without the digest")
	}
}
