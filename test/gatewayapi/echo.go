package gatewayapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// echo is one Pod of the suite's backend: it answers with what it was asked, in the form that the suite reads.
type echo struct {
	env     map[string]string
	servers []*http.Server
}

// What the backend answers. The names of the fields are the suite's.
type echoed struct {
	Path      string              `json:"path"`
	Host      string              `json:"host"`
	Method    string              `json:"method"`
	Protocol  string              `json:"proto"`
	Headers   map[string][]string `json:"headers"`
	HTTPPort  string              `json:"httpPort"`
	Namespace string              `json:"namespace"`
	Ingress   string              `json:"ingress"`
	Service   string              `json:"service"`
	Pod       string              `json:"pod"`
	TLS       *echoedTLS          `json:"tls,omitempty"`
}

type echoedTLS struct {
	Version            string   `json:"version"`
	PeerCertificates   []string `json:"peerCertificates,omitempty"`
	ServerName         string   `json:"serverName"`
	NegotiatedProtocol string   `json:"negotiatedProtocol,omitempty"`
	CipherSuite        string   `json:"cipherSuite"`
}

var statusPath = regexp.MustCompile(`^/status/(\d\d\d)$`)

// startEcho listens at the ports of the suite's backend: 3000 for HTTP, 3001 for HTTP/2 without TLS, and 8443 where there is a certificate.
// Backends for gRPC, TCP and UDP run as nothing: the simulated gateway proxies HTTP alone.
func startEcho(address string, env map[string]string, files map[string][]byte) (*echo, error) {
	e := &echo{env: env}
	if env["GRPC_ECHO_SERVER"] != "" || env["TCP_ECHO_SERVER"] != "" || env["UDP_ECHO_SERVER"] != "" {
		return e, nil
	}
	plain, both := new(http.Protocols), new(http.Protocols)
	plain.SetHTTP1(true)
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true)
	listen := func(port string, s *http.Server, config *tls.Config) error {
		l, err := net.Listen("tcp", net.JoinHostPort(address, port))
		if err != nil {
			return err
		}
		if config != nil {
			l = tls.NewListener(l, config)
		}
		s.Handler, s.ReadHeaderTimeout = e, 10*time.Second
		e.servers = append(e.servers, s)
		go func() { _ = s.Serve(l) }()
		return nil
	}
	err := listen(portOf(env, "HTTP_PORT", "3000"), &http.Server{Protocols: plain}, nil)
	err = errors.Join(err, listen(portOf(env, "H2C_PORT", "3001"), &http.Server{Protocols: both}, nil))
	if cert, key := files[env["TLS_SERVER_CERT"]], files[env["TLS_SERVER_PRIVKEY"]]; len(cert) > 0 && len(key) > 0 {
		pair, bad := tls.X509KeyPair(cert, key)
		config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
		if authority := files[env["TLS_CLIENT_CACERTS"]]; len(authority) > 0 {
			config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
			config.ClientCAs.AppendCertsFromPEM(authority)
		}
		err = errors.Join(err, bad, listen(portOf(env, "HTTPS_PORT", "8443"), &http.Server{Protocols: plain}, config))
	}
	if err != nil {
		e.close()
		return nil, fmt.Errorf("listen at %s: %w", address, err)
	}
	return e, nil
}

func portOf(env map[string]string, name, usual string) string {
	if port := env[name]; port != "" {
		return port
	}
	return usual
}

func (e *echo) close() {
	for _, s := range e.servers {
		_ = s.Close()
	}
}

// ServeHTTP answers one request.
func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if match := statusPath.FindStringSubmatch(r.RequestURI); match != nil {
		status, _ := strconv.Atoi(match[1])
		w.WriteHeader(status)
		return
	}
	if text := r.FormValue("delay"); text != "" {
		delay, err := time.ParseDuration(text)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		wait(r.Context(), delay)
	}
	for _, list := range r.Header["X-Echo-Set-Header"] {
		for pair := range strings.SplitSeq(list, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), ":")
			if old := w.Header()[name]; len(old) > 0 {
				value = old[0] + "," + strings.TrimSpace(value)
			}
			w.Header()[name] = []string{value} // as it is written
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	answer := echoed{
		Path: r.RequestURI, Host: r.Host, Method: r.Method, Protocol: r.Proto, Headers: r.Header,
		HTTPPort: portOf(e.env, "HTTP_PORT", "3000"), TLS: ofTLS(r.TLS),
		Namespace: e.env["NAMESPACE"], Ingress: e.env["INGRESS_NAME"], Service: e.env["SERVICE_NAME"], Pod: e.env["POD_NAME"],
	}
	_ = json.NewEncoder(w).Encode(answer) // who asked has gone
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func ofTLS(s *tls.ConnectionState) *echoedTLS {
	if s == nil {
		return nil
	}
	out := &echoedTLS{
		Version: strings.Replace(tls.VersionName(s.Version), "TLS ", "TLSv", 1), ServerName: s.ServerName,
		NegotiatedProtocol: s.NegotiatedProtocol, CipherSuite: tls.CipherSuiteName(s.CipherSuite),
	}
	for _, c := range s.PeerCertificates {
		out.PeerCertificates = append(out.PeerCertificates, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})))
	}
	return out
}
