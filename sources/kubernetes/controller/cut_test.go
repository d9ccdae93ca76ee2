package controller

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/silverback-gateway/silverback/lab"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
	"github.com/silverback-gateway/silverback/sources/kubernetes/testkit/apiserver"
	"github.com/silverback-gateway/silverback/testkit/cut"
)

func consumer(name string) string {
	return fmt.Sprintf("{apiVersion: configuration.konghq.com/v1, kind: KongConsumer, metadata: {namespace: web, name: %[1]s, annotations: {"+
		"kubernetes.io/ingress.class: kong}}, username: %[1]s}", name)
}

// cutting cuts a link in the middle of what the API server answers about consumers, once. What had arrived already is not read either.
type cutting struct {
	http.RoundTripper
	link  *cut.Link
	done  atomic.Bool
	reset chan struct{} // closed by the test with the connection
}

// RoundTrip implements http.RoundTripper.
func (c *cutting) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := c.RoundTripper.RoundTrip(r)
	if err == nil && strings.HasSuffix(r.URL.Path, "/kongconsumers") {
		answer.Body = &half{ReadCloser: answer.Body, of: c, request: r.Context()}
	}
	return answer, err
}

// half is a body whose link is cut after its first bytes.
type half struct {
	io.ReadCloser
	of      *cutting
	request context.Context
	cut     bool
}

// Read implements io.Reader.
func (h *half) Read(p []byte) (int, error) {
	if h.of.done.CompareAndSwap(false, true) {
		n, err := h.ReadCloser.Read(p[:min(len(p), 100)])
		h.of.link.Cut(cut.Both)
		h.cut = true
		return n, err
	}
	if h.cut {
		select {
		case <-h.of.reset:
			return 0, io.ErrUnexpectedEOF
		case <-h.request.Done():
			return 0, context.Cause(h.request)
		}
	}
	return h.ReadCloser.Read(p)
}

// revisionsHold fails the test when a revision of the source, but for the first, lacks a text.
func (c *realCluster) revisionsHold(texts ...string) {
	c.Helper()
	answer, err := c.client.Translator().ListRevisions(c.Context(), &translatorv1.ListRevisionsRequest{Group: lab.Group, PageSize: 1000})
	if err != nil {
		c.Fatal(err)
	}
	for _, revision := range answer.GetRevisions() {
		held := c.heldBy(revision.GetNumber())
		for _, text := range texts {
			if !strings.Contains(held, text) {
				c.Errorf("revision %d (%s) lacks %s:\n%s", revision.GetNumber(), revision.GetMessage(), text, held)
			}
		}
	}
}

// TestACutWatchLosesNothing cuts the network between the API server and a controller that reads its objects, and one that knows them. What
// changes meanwhile arrives, once the network is whole, and no revision lacks what was there all the time.
func TestACutWatchLosesNothing(t *testing.T) {
	server := apiserver.New(t)
	link, config := server.Link(t)
	c := &realCluster{world: newFleet(t), server: server, rest: config}
	c.apply(service("web", "10.0.0.1"), ingress("web/shop", "/shop"), ingress("web/old", "/old"), consumer("ada"), consumer("ben"))
	alone := func(config *Config) { config.LeaderElection = false } // a lost Lease would begin anew, and prove nothing of watches
	stop, _ := c.start(alone)
	c.holds(`~/shop$`, `~/old$`, `"ada"`, `"ben"`)
	stop()

	// The next process is cut off while it reads the consumers. All else was read, and no guard would stop the loss of two consumers.
	reading := &cutting{link: link, reset: make(chan struct{})}
	config.Wrap(func(real http.RoundTripper) http.RoundTripper {
		reading.RoundTripper = real
		return reading
	})
	stop, ready := c.start(alone)
	c.eventually("the link is cut", func() error {
		if !reading.done.Load() {
			return errors.New("it is not")
		}
		return nil
	})
	c.apply(ingress("web/old", "/new"))
	if ready() == nil {
		t.Error("it is ready, and has read half of the consumers")
	}
	before := c.newest().GetNumber()
	close(reading.reset)
	link.Reset()
	link.Heal()
	c.holds(`~/new$`, `!~/old$`)
	if got := c.newest().GetNumber(); got != before+1 {
		t.Errorf("one change made %d revisions", got-before)
	}

	// A silent cut: what is sent waits in the network, and arrives when it is whole.
	link.Cut(cut.Both)
	c.apply(ingress("web/old", "/silent"))
	before = c.newest().GetNumber()
	link.Heal()
	c.holds(`~/silent$`, `!~/new$`)

	// The connections end, and the API server restarts: it has forgotten the versions that the watches would go on from. Objects come,
	// change and go meanwhile.
	link.Cut(cut.Both)
	c.apply(ingress("web/old", "/missed"), ingress("web/more", "/more"), consumer("cleo"))
	if err := apiserver.Delete(t.Context(), server.Config(), []byte(consumer("ben"))); err != nil {
		t.Fatal(err)
	}
	server.KillAPI()
	if err := server.StartAPI(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.newest().GetNumber(); got != before+1 {
		t.Errorf("%d revisions came through a cut link", got-before-1)
	}
	link.Reset()
	link.Heal()
	c.holds(`~/missed$`, `~/more$`, `"cleo"`, `!"ben"`, `!~/silent$`)
	stop()
	c.revisionsHold(`~/shop$`, `"ada"`, "10.0.0.1:80")
}
