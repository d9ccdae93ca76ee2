package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// A ProxyRequest is a request as a client would send it.
type ProxyRequest struct {
	Path    string // with a query if need be; begins with '/'
	Host    string // also what TLS asks a certificate for; empty: the proxy's own address
	Headers map[string]string
}

// ProxyGet sends a GET through the gateway's proxy over a connection of its own, and returns the status code. It follows no
// redirect and does not read the body. Its errors hold nothing of the request.
func (g *Gateway) ProxyGet(ctx context.Context, q ProxyRequest) (int, error) {
	proxy, err := url.Parse(g.proxy.base)
	if err != nil {
		return 0, errors.New("the proxy's URL is not valid")
	}
	target := *proxy
	if q.Host != "" {
		target.Host = q.Host
	}
	target.User = nil
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.Scheme+"://"+target.Host+q.Path, nil)
	if err != nil {
		return 0, errors.New("the request is not valid")
	}
	for name, value := range q.Headers {
		req.Header.Set(name, value)
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "silverback-agent")
	}
	resp, err := g.proxyTransport(proxy).RoundTrip(req)
	if err != nil {
		return 0, withoutURL(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode, nil
}

// proxyTransport connects to the proxy whatever the host of a request is.
func (g *Gateway) proxyTransport(proxy *url.URL) *http.Transport {
	l, err := ParseListener(g.opts.Proxy)
	if err != nil {
		return &http.Transport{} // New has refused it
	}
	t := l.transport()
	t.DisableKeepAlives = true // each connection may reach another worker
	// The question is whether the gateway answers, not whose certificate it shows its customers.
	t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	if t.DialContext != nil {
		return t // a socket
	}
	address := proxy.Host
	if proxy.Port() == "" {
		address = net.JoinHostPort(proxy.Hostname(), map[bool]string{true: "443", false: "80"}[strings.EqualFold(proxy.Scheme, "https")])
	}
	t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	return t
}
