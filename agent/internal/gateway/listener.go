package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

// Listener is where one of a gateway's listeners is: in TCP with or without TLS, or a socket.
type Listener struct {
	base   string // what requests' paths are put behind
	host   string // without the port; empty for a socket
	socket string // a path; empty in TCP
	secure bool
}

var errListener = errors.New("want http://host:port, https://host:port or unix:///path/to.sock")

// ParseListener reads http://host:port, https://host:port, or unix:// and the absolute path of a socket that speaks
// plain HTTP. Its error never repeats the text, which can hold a password.
func ParseListener(at string) (Listener, error) {
	u, err := url.Parse(at)
	if err != nil || u.RawQuery != "" || u.Fragment != "" {
		return Listener{}, errListener
	}
	switch {
	case u.Scheme == "unix" && u.Host == "" && path.IsAbs(u.Path) && !strings.HasSuffix(u.Path, "/"):
		return Listener{base: "http://localhost", socket: u.Path}, nil
	case (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "":
		return Listener{base: strings.TrimSuffix(at, "/"), host: u.Hostname(), secure: u.Scheme == "https"}, nil
	}
	return Listener{}, errListener
}

// Local reports whether requests come to the listener from the gateway's own machine, as the gateway sees it: a
// loopback address or a socket.
func (l Listener) Local() bool {
	ip := net.ParseIP(l.host)
	return l.socket != "" || l.host == "localhost" || ip != nil && ip.IsLoopback()
}

// Secure reports whether the listener speaks TLS.
func (l Listener) Secure() bool { return l.secure }

// transport has no proxy between it and the gateway, whatever the environment says.
func (l Listener) transport() *http.Transport {
	t := &http.Transport{Protocols: new(http.Protocols)}
	// Over HTTP/2 many requests would share a connection, and so a worker.
	t.Protocols.SetHTTP1(true)
	if l.socket != "" {
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", l.socket)
		}
	}
	return t
}

// control is the transport to the Admin or Status API. Without TLS the dialer is not used.
func (l Listener) control(secure *tlsDialer) *http.Transport {
	t := l.transport()
	t.MaxIdleConns, t.MaxIdleConnsPerHost, t.IdleConnTimeout = 2, 1, 30*time.Second
	t.ExpectContinueTimeout = time.Second
	if l.secure {
		t.DialTLSContext = secure.dial
	}
	return t
}
