package security

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // as in a service that traces: the compressor is there, and may not be used

	"github.com/silverback-gateway/silverback/kit/identity"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/kit/tlsfiles/tlstest"
	distributorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/distributor/v1"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	translatorv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/translator/v1"
)

// soon is how long an answer may take on a busy machine. A server that waits for a body that never comes gives none.
const soon = 20 * time.Second

// A rawConn speaks HTTP/2 by hand, for what a client of gRPC would never do: it says how long a message is, and sends none of it.
type rawConn struct {
	t      *testing.T
	conn   net.Conn
	framer *http2.Framer
	next   uint32

	mu      sync.Mutex
	write   sync.Mutex
	answers map[uint32]answer
	changed chan struct{} // closed at the next answer
	ended   bool
}

// An answer is how a stream ended.
type answer struct {
	code    codes.Code
	message string
	reset   http2.ErrCode // with code Unknown
}

func dialRaw(t *testing.T, address string, f tlsfiles.Files) (*rawConn, error) {
	t.Helper()
	source, err := tlsfiles.Client(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	config := source.Config().Clone()
	config.ServerName, config.NextProtos = "localhost", []string{"h2"}
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: soon}, "tcp", address, config)
	if err != nil {
		return nil, err
	}
	c := &rawConn{t: t, conn: conn, framer: http2.NewFramer(conn, conn), next: 1, answers: map[uint32]answer{}, changed: make(chan struct{})}
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		return nil, err
	}
	if err := c.framer.WriteSettings(); err != nil {
		return nil, err
	}
	// The server speaks first; one that will not have this connection closes it instead.
	_ = conn.SetReadDeadline(time.Now().Add(soon))
	if _, err := c.framer.ReadFrame(); err != nil {
		return nil, err
	}
	_ = conn.SetReadDeadline(time.Time{})
	go c.read()
	return c, nil
}

func mustDial(t *testing.T, address string, f tlsfiles.Files) *rawConn {
	t.Helper()
	c, err := dialRaw(t, address, f)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *rawConn) read() {
	for {
		frame, err := c.framer.ReadFrame()
		c.mu.Lock()
		if err != nil {
			c.ended = true
			close(c.changed)
			c.mu.Unlock()
			return
		}
		var told bool
		id := frame.Header().StreamID
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			for _, h := range f.Fields {
				if h.Name == "grpc-status" {
					n, _ := strconv.Atoi(h.Value)
					a := c.answers[id]
					a.code, told = codes.Code(n), true
					c.answers[id] = a
				}
				if h.Name == "grpc-message" {
					a := c.answers[id]
					a.message, _ = url.PathUnescape(h.Value)
					c.answers[id] = a
				}
			}
		case *http2.RSTStreamFrame:
			if _, ok := c.answers[id]; !ok {
				c.answers[id], told = answer{code: codes.Unknown, reset: f.ErrCode}, true
			}
		case *http2.SettingsFrame:
			if !f.IsAck() {
				c.send(func() error { return c.framer.WriteSettingsAck() })
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				data := f.Data
				c.send(func() error { return c.framer.WritePing(true, data) })
			}
		}
		if told {
			close(c.changed)
			c.changed = make(chan struct{})
		}
		c.mu.Unlock()
	}
}

func (c *rawConn) send(f func() error) {
	c.write.Lock()
	defer c.write.Unlock()
	_ = f() // how it ends is told by the answers
}

// open starts a call with its headers, and more of them.
func (c *rawConn) open(method string, more ...string) uint32 {
	id := c.next
	c.next += 2
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	fields := append([]string{":method", "POST", ":scheme", "https", ":path", method, ":authority", "localhost", "content-type",
		"application/grpc", "te", "trailers"}, more...)
	for i := 0; i < len(fields); i += 2 {
		_ = enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	c.send(func() error {
		const largest = 16 << 10
		first := block.Next(largest)
		if err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: first, EndHeaders: block.Len() == 0}); err != nil {
			return err
		}
		for block.Len() > 0 {
			piece := block.Next(largest)
			if err := c.framer.WriteContinuation(id, block.Len() == 0, piece); err != nil {
				return err
			}
		}
		return nil
	})
	return id
}

// claim says that a message of so many bytes follows.
func (c *rawConn) claim(id uint32, compressed byte, length int) {
	header := binary.BigEndian.AppendUint32([]byte{compressed}, uint32(length)) //nolint:gosec // a few MiB
	c.send(func() error { return c.framer.WriteData(id, false, header) })
}

// answer waits until a call has ended.
func (c *rawConn) answer(id uint32) (answer, error) {
	late := time.After(soon)
	for {
		c.mu.Lock()
		a, ok := c.answers[id]
		changed, ended := c.changed, c.ended
		c.mu.Unlock()
		switch {
		case ok:
			return a, nil
		case ended:
			return answer{}, fmt.Errorf("the connection ended")
		}
		select {
		case <-changed:
		case <-late:
			return answer{}, fmt.Errorf("no answer within %s", soon)
		}
	}
}

// answered waits until so many calls have ended, and returns how.
func (c *rawConn) answered(n int) map[uint32]answer {
	late := time.After(soon)
	for {
		c.mu.Lock()
		all := make(map[uint32]answer, len(c.answers))
		for id, a := range c.answers {
			all[id] = a
		}
		changed, ended := c.changed, c.ended
		c.mu.Unlock()
		if len(all) >= n || ended {
			return all
		}
		select {
		case <-changed:
		case <-late:
			return all
		}
	}
}

const largest = 70 << 20

// TestRightsComeBeforeTheBody makes calls that say what they will send and send none of it: each must be refused all the same.
func TestRightsComeBeforeTheBody(t *testing.T) {
	ca := tlstest.New(t)
	address := serve(t, ca.Issue("server"))
	files := map[string]tlsfiles.Files{}
	for _, name := range callers[1:] {
		files[name] = ca.Issue(strings.ReplaceAll(name, " ", "-"), certificateOf(name)...)
	}
	submit, get := translatorv1.TranslatorService_SubmitConfig_FullMethodName, translatorv1.TranslatorService_GetSource_FullMethodName
	gzip := []string{"grpc-encoding", "gzip"}
	for name, tt := range map[string]struct {
		caller     string
		method     string
		more       []string
		compressed byte
		length     int
		code       codes.Code
		says       string
	}{
		"a node submits":             {"node", submit, nil, 0, largest, codes.PermissionDenied, "node g/n may not call"},
		"a node submits, compressed": {"node", submit, gzip, 1, largest, codes.PermissionDenied, "node g/n may not call"},
		"a viewer submits":           {"viewer", submit, nil, 0, largest, codes.PermissionDenied, "submitter"},
		"nobody known submits":       {"nameless", submit, nil, 0, largest, codes.PermissionDenied, "the caller is not authenticated"},
		"a node watches": {"node", translatorv1.TranslatorService_WatchRevisions_FullMethodName, nil, 0, largest,
			codes.PermissionDenied, "node g/n may not call"},
		"a user follows": {"admin", distributorv1.DeliveryService_FollowAssignment_FullMethodName, nil, 0, largest,
			codes.PermissionDenied, "may not call"},
		"a submitter submits, compressed": {"submitter", submit, gzip, 1, largest, codes.Unimplemented, "compressed"},
		"a submitter says it is not":      {"submitter", submit, nil, 1, 1000, codes.Unimplemented, "compressed"},
		"a node enrols, compressed": {"node", registryv1.RegistryService_EnrolNode_FullMethodName, gzip, 1, 1000, codes.Unimplemented,
			"compressed"},
		"a node follows, compressed": {"node", distributorv1.DeliveryService_FollowAssignment_FullMethodName, gzip, 1, 1000,
			codes.Unimplemented, "compressed"},
		"a submission is too large": {"submitter", submit, nil, 0, 80 << 20, codes.ResourceExhausted, "larger than max"},
		"another request is large":  {"viewer", get, nil, 0, 2 << 20, codes.ResourceExhausted, "larger than max"},
		"an enrolment is large": {"node", registryv1.RegistryService_EnrolNode_FullMethodName, nil, 0, 2 << 20,
			codes.ResourceExhausted, "larger than max"},
		"a watch is large": {"viewer", translatorv1.TranslatorService_WatchRevisions_FullMethodName, nil, 0, 2 << 20,
			codes.ResourceExhausted, "larger than max"},
		"a hello is large": {"node", distributorv1.DeliveryService_FollowAssignment_FullMethodName, nil, 0, 2 << 20,
			codes.ResourceExhausted, "larger than max"},
		"an rpc that is not there is refused": {"admin", "/silverback.translator.v1.TranslatorService/Nothing", nil, 0, largest,
			codes.Unimplemented, "unknown method"},
	} {
		t.Run(name, func(t *testing.T) {
			c := mustDial(t, address, files[tt.caller])
			id := c.open(tt.method, tt.more...)
			c.claim(id, tt.compressed, tt.length)
			if got, err := c.answer(id); err != nil || got.code != tt.code || !strings.Contains(got.message, tt.says) {
				t.Errorf("got %v, %v; want %s %q", got, err, tt.code, tt.says)
			}
		})
	}
}

// TestLargeRequestsWaitForEachOther opens more large submissions than there is room for; those that have room wait for their bodies.
func TestLargeRequestsWaitForEachOther(t *testing.T) {
	ca := tlstest.New(t)
	address := serve(t, ca.Issue("server"))
	c := mustDial(t, address, ca.Issue("submitter", certificateOf("submitter")...))
	const all, fit = 8, 2 // of 64 MiB, where 128 MiB may be under way
	ids := map[uint32]bool{}
	for range all {
		id := c.open(translatorv1.TranslatorService_SubmitConfig_FullMethodName)
		c.claim(id, 0, 64<<20)
		ids[id] = true
	}
	answers := c.answered(all - fit)
	for id, a := range answers {
		if a.code != codes.ResourceExhausted || !strings.Contains(a.message, "in progress") {
			t.Errorf("call %d: %v", id, a)
		}
	}
	if len(answers) != all-fit {
		t.Errorf("%d of %d calls were refused, want %d", len(answers), all, all-fit)
	}
	// A small one is not in their way.
	small := c.open(translatorv1.TranslatorService_SubmitConfig_FullMethodName)
	c.claim(small, 0, 0)
	c.send(func() error { return c.framer.WriteData(small, true, nil) })
	if a, err := c.answer(small); err != nil || a.code != codes.InvalidArgument {
		t.Errorf("a small submission got %v, %v", a, err)
	}
}

// TestHeadersAloneAreBounded opens calls and never sends their requests.
func TestHeadersAloneAreBounded(t *testing.T) {
	ca := tlstest.New(t)
	address := serve(t, ca.Issue("server"))
	node := ca.Issue("node", certificateOf("node")...)
	enrol := registryv1.RegistryService_EnrolNode_FullMethodName

	t.Run("of one node", func(t *testing.T) {
		const all, may = 60, 16
		c := mustDial(t, address, node)
		for range all {
			c.open(enrol)
		}
		answers := c.answered(all - may)
		for _, a := range answers {
			if a.code != codes.ResourceExhausted || !strings.Contains(a.message, "16 calls in progress") {
				t.Errorf("got %v", a)
			}
		}
		if len(answers) != all-may {
			t.Errorf("%d calls were refused, want %d", len(answers), all-may)
		}
		another := mustDial(t, address, node)
		if a, err := another.answer(another.open(enrol)); err != nil || a.code != codes.ResourceExhausted {
			t.Errorf("on another connection: %v, %v", a, err)
		}
		_ = c.conn.Close()
		eventually(t, func() bool {
			id := another.open(enrol)
			another.send(func() error { return another.framer.WriteData(id, true, []byte{0, 0, 0, 0, 0}) })
			a, err := another.answer(id)
			return err == nil && a.code == codes.PermissionDenied // the empty message is about no node
		})
	})
	t.Run("on one connection", func(t *testing.T) {
		// An admin may have more calls under way than a connection takes.
		c := mustDial(t, address, ca.Issue("admin", certificateOf("admin")...))
		const all, may = 150, 100
		for range all {
			c.open(translatorv1.TranslatorService_GetSource_FullMethodName)
		}
		answers := c.answered(all - may)
		for _, a := range answers {
			if a.reset != http2.ErrCodeRefusedStream {
				t.Errorf("got %v", a)
			}
		}
		if len(answers) != all-may {
			t.Errorf("%d calls were refused, want %d", len(answers), all-may)
		}
	})
	t.Run("with much metadata", func(t *testing.T) {
		other := ca.Issue("other", certificateOf("other node")...)
		c := mustDial(t, address, other)
		for _, size := range []int{9 << 10, 1 << 20, 15 << 20} {
			more := []string{}
			for left := size; left > 0; left -= 4000 {
				more = append(more, fmt.Sprintf("x-%d", left), strings.Repeat("~", min(left, 4000)))
			}
			a, err := c.answer(c.open(enrol, more...))
			if err == nil && (a.code != codes.Unknown || a.reset == http2.ErrCodeNo) {
				t.Errorf("%d bytes of metadata: %v", size, a)
			}
			if err != nil { // the server may also end the connection
				if !strings.Contains(err.Error(), "connection ended") {
					t.Errorf("%d bytes of metadata: %v", size, err)
				}
				c = mustDial(t, address, other)
			}
		}
	})
}

// TestANodeHasAFewConnections opens more than one may have.
func TestANodeHasAFewConnections(t *testing.T) {
	ca := tlstest.New(t)
	address := serve(t, ca.Issue("server"))
	node, other := ca.Issue("node", certificateOf("node")...), ca.Issue("other", certificateOf("other node")...)
	const may = 8
	var open []*rawConn
	for range may {
		open = append(open, mustDial(t, address, node))
	}
	if _, err := dialRaw(t, address, node); err == nil {
		t.Errorf("connection %d was taken", may+1)
	}
	mustDial(t, address, other)
	_ = open[0].conn.Close()
	eventually(t, func() bool { _, err := dialRaw(t, address, node); return err == nil })
}

// TestAConnectionEndsWithItsCertificate waits until a certificate expires, with a stream open.
func TestAConnectionEndsWithItsCertificate(t *testing.T) {
	ca := tlstest.New(t)
	address := serve(t, ca.Issue("server"))
	uri := identity.Identity{Kind: identity.Node, Group: "g", Name: "n"}.URI(identity.DefaultTrustDomain)
	lasting := mustDial(t, address, ca.Issue("lasting", uri))
	expiring := mustDial(t, address, ca.IssueUntil(time.Now().Add(3*time.Second), "expiring", uri))
	follow := distributorv1.DeliveryService_FollowAssignment_FullMethodName
	stays := lasting.open(follow)
	if _, err := expiring.answer(expiring.open(follow)); err == nil || !strings.Contains(err.Error(), "connection ended") {
		t.Errorf("got %v", err)
	}
	lasting.mu.Lock()
	defer lasting.mu.Unlock()
	if _, ok := lasting.answers[stays]; ok || lasting.ended {
		t.Error("the stream of a good certificate ended too")
	}
}

func eventually(t *testing.T, good func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(soon); !good(); {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("it never came true")
		}
	}
}
