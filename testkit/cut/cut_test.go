package cut_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/silverback-gateway/silverback/testkit/cut"
	"github.com/silverback-gateway/silverback/testkit/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// silence is how long nothing must arrive for a link to count as cut.
const silence = 100 * time.Millisecond

// server accepts one connection after the other and hands them out.
func server(t *testing.T) (address string, accepted <-chan net.Conn) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan net.Conn)
	go func() {
		defer close(out)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			out <- conn
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		for conn := range out {
			_ = conn.Close()
		}
	})
	return l.Addr().String(), out
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func send(t *testing.T, conn net.Conn, line string) {
	t.Helper()
	if _, err := io.WriteString(conn, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, conn net.Conn, line string) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	got, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || got != line+"\n" {
		t.Fatalf("got %q, %v, want %q", got, err, line)
	}
}

func expectSilence(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(silence))
	if n, err := conn.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %d bytes, %v, want silence", n, err)
	}
}

func TestOneDirectionIsCutAndTheBytesArriveAfterwards(t *testing.T) {
	address, accepted := server(t)
	link := cut.New(t, address)
	client := dial(t, link.Address)
	send(t, client, "before")
	far := <-accepted
	defer func() { _ = far.Close() }()
	expect(t, far, "before")
	for _, tt := range []struct {
		cut                cut.Direction
		toServer, toClient bool
	}{{cut.ToServer, false, true}, {cut.ToClient, true, false}, {cut.Both, false, false}} {
		link.Cut(tt.cut)
		send(t, client, "up")
		send(t, far, "down")
		for _, way := range []struct {
			open bool
			end  net.Conn
			line string
		}{{tt.toServer, far, "up"}, {tt.toClient, client, "down"}} {
			if way.open {
				expect(t, way.end, way.line)
			} else {
				expectSilence(t, way.end)
			}
		}
		link.Heal()
		if !tt.toServer {
			expect(t, far, "up")
		}
		if !tt.toClient {
			expect(t, client, "down")
		}
	}
}

func TestANewConnectionThroughACutLinkReachesNobody(t *testing.T) {
	address, accepted := server(t)
	link := cut.New(t, address)
	link.Cut(cut.ToServer)
	client := dial(t, link.Address)
	send(t, client, "hello")
	expectSilence(t, client)
	select {
	case <-accepted:
		t.Fatal("the server was reached through a cut link")
	default:
	}
	link.Heal()
	far := <-accepted
	defer func() { _ = far.Close() }()
	expect(t, far, "hello")
}

func TestResetEndsConnections(t *testing.T) {
	address, accepted := server(t)
	link := cut.New(t, address)
	client := dial(t, link.Address)
	far := <-accepted
	defer func() { _ = far.Close() }()
	link.Cut(cut.Both)
	link.Reset()
	_ = client.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := client.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the client reads %v, want a reset", err)
	}
}

func TestDelay(t *testing.T) {
	address, accepted := server(t)
	link := cut.New(t, address)
	client := dial(t, link.Address)
	far := <-accepted
	defer func() { _ = far.Close() }()
	link.Delay(2 * silence)
	send(t, client, "late")
	expectSilence(t, far)
	expect(t, far, "late")
}

func TestWhatIsLostArrivesWhenItIsSentAgain(t *testing.T) {
	address, accepted := server(t)
	link := cut.New(t, address)
	client := dial(t, link.Address)
	send(t, client, "before")
	far := <-accepted
	defer func() { _ = far.Close() }()
	expect(t, far, "before")
	link.Lose(1)
	start := time.Now()
	send(t, client, "lost")
	expect(t, far, "lost")
	if took := time.Since(start); took < 200*time.Millisecond {
		t.Errorf("it arrived after %s", took)
	}
	link.Lose(0)
	send(t, client, "after")
	expect(t, far, "after")
}
