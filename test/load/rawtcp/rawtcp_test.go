package rawtcp

import (
	"context"
	"io"
	"net"
	"testing"
)

func TestTheReceiverWaitsForEveryByteAndAnswers(t *testing.T) {
	r := &receiver{accepted: make(chan error, 1)}
	defer r.close()
	address, err := r.listen(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	var conns []net.Conn
	for range 2 {
		var d net.Dialer
		c, err := d.DialContext(context.Background(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		conns = append(conns, c)
	}
	if err := <-r.accepted; err != nil {
		t.Fatal(err)
	}
	if _, err := r.expect(t.Context(), Shape{Sockets: 2, Bytes: 5, Answer: 3}); err != nil {
		t.Fatal(err)
	}
	if _, err := conns[0].Write([]byte("12345")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conns[0], make([]byte, 3)); err != nil {
		t.Fatalf("no answer to the first socket: %v", err)
	}
	if len(r.results) == 2 {
		t.Fatal("done before the second socket received anything")
	}
	if _, err := conns[1].Write([]byte("12345")); err != nil {
		t.Fatal(err)
	}
	if last, err := r.await(t.Context(), struct{}{}); err != nil || last == 0 {
		t.Fatalf("got %d, %v; want the time of the last byte", last, err)
	}
}
