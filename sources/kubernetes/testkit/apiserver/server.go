// Package apiserver runs a real API server of Kubernetes for tests and labs: a kube-apiserver with an etcd of its own, both on loopback.
// Nothing else of a cluster runs: no controller makes pods, endpoints or service accounts, and no namespace is ever emptied, unless
// somebody does it.
package apiserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/silverback-gateway/silverback/testkit/port"
	"github.com/silverback-gateway/silverback/testkit/process"
)

const (
	startTime = 4 * time.Minute // a machine that compiles beside it is slow
	stopTime  = 20 * time.Second
	askEvery  = 50 * time.Millisecond

	// Requests at once and per second that clients of Config may send. The defaults of client-go make a test of thousands of objects wait.
	clientQPS   = 2000
	clientBurst = 4000
)

// Config says what to run.
type Config struct {
	Etcd      string   // path of the binary etcd
	APIServer string   // path of the binary kube-apiserver
	Dir       string   // for data, certificates and logs; required
	Address   string   // host:port of the API server on loopback; empty takes a free port
	Flags     []string // further flags of kube-apiserver
}

// A Server is an API server and its etcd. Its methods may not be called at once, but for Config, Address and Kubeconfig.
type Server struct {
	config      Config
	etcdAddress string
	keys        keys
	etcd        *process.Process
	api         *process.Process
}

// Start starts both and returns when the API server is ready. The error names the logs.
func Start(ctx context.Context, c Config) (*Server, error) {
	if c.Dir == "" {
		return nil, errors.New("start an API server: a folder is needed")
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("start an API server: %w", err)
	}
	s := &Server{config: c}
	var err error
	if s.config.Address == "" {
		if s.config.Address, err = port.Free(); err != nil {
			return nil, err
		}
	}
	if s.etcdAddress, err = port.Free(); err != nil {
		return nil, err
	}
	if s.keys, err = makeKeys(c.Dir); err != nil {
		return nil, err
	}
	if err := s.startEtcd(ctx); err != nil {
		return nil, err
	}
	if err := s.StartAPI(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) startEtcd(ctx context.Context) error {
	peer, err := port.Free()
	if err != nil {
		return err
	}
	url := "http://" + s.etcdAddress
	s.etcd, err = process.Start(process.Command{
		Name: "etcd of the API server", Path: s.config.Etcd, Log: s.log("etcd"), Env: process.Environment(), Group: true,
		Args: []string{
			"--name=kubernetes", "--data-dir=" + filepath.Join(s.config.Dir, "etcd"), "--unsafe-no-fsync",
			"--listen-client-urls=" + url, "--advertise-client-urls=" + url, "--listen-peer-urls=http://" + peer,
			"--initial-advertise-peer-urls=http://" + peer, "--initial-cluster=kubernetes=http://" + peer,
			"--quota-backend-bytes=4294967296", "--log-level=warn",
		},
	})
	if err != nil {
		return err
	}
	return s.ready(ctx, "etcd", s.etcd, http.DefaultClient, url+"/health", "")
}

// StartAPI starts the API server, which must not run, at the address that it had, and returns when it is ready.
func (s *Server) StartAPI(ctx context.Context) error {
	host, number, err := net.SplitHostPort(s.config.Address)
	if err != nil {
		return fmt.Errorf("start an API server: %w", err)
	}
	key := s.keys.files
	s.api, err = process.Start(process.Command{
		Name: "kube-apiserver", Path: s.config.APIServer, Log: s.log("kube-apiserver"), Env: process.Environment(), Group: true,
		Args: append([]string{
			"--etcd-servers=http://" + s.etcdAddress,
			"--bind-address=" + host, "--advertise-address=127.0.0.1", "--secure-port=" + number, "--endpoint-reconciler-type=none",
			"--tls-cert-file=" + key.cert, "--tls-private-key-file=" + key.key, "--client-ca-file=" + key.authority,
			"--token-auth-file=" + key.tokens, "--authorization-mode=RBAC", "--anonymous-auth=false",
			"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + key.accounts,
			"--service-account-signing-key-file=" + key.accounts, "--service-cluster-ip-range=10.96.0.0/12",
			// Nobody makes the accounts that this plugin has each pod wait for.
			"--disable-admission-plugins=ServiceAccount", "--profiling=false", "--watch-cache=true", "--shutdown-delay-duration=0",
		}, s.config.Flags...),
	})
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.keys.authority)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}, DisableKeepAlives: true}
	return s.ready(ctx, "kube-apiserver", s.api, &http.Client{Transport: transport}, "https://"+s.config.Address+"/readyz", s.keys.token)
}

// StopAPI ends the API server as an operator would; etcd stays. Watches end with it.
func (s *Server) StopAPI() error { return s.api.Stop(stopTime) }

// KillAPI is kill -9.
func (s *Server) KillAPI() { s.api.Kill() }

// Address is host:port of the API server.
func (s *Server) Address() string { return s.config.Address }

// Config returns how an administrator reaches the server. The caller may change it.
func (s *Server) Config() *rest.Config { return s.ConfigAt(s.config.Address) }

// ConfigAt is Config through somebody who forwards TCP at an address of loopback.
func (s *Server) ConfigAt(address string) *rest.Config {
	return &rest.Config{
		Host: "https://" + address, BearerToken: s.keys.token, QPS: clientQPS, Burst: clientBurst,
		TLSClientConfig: rest.TLSClientConfig{CAData: s.keys.authority},
	}
}

// Kubeconfig writes a file for kubectl that reaches a server as ConfigAt does.
func (s *Server) Kubeconfig(file, address string) error {
	return WriteKubeconfig(file, s.ConfigAt(address))
}

// WriteKubeconfig writes what a client needs into a file that only its owner can read.
func WriteKubeconfig(file string, c *rest.Config) error {
	const name = "silverback"
	content := clientcmdapi.NewConfig()
	content.Clusters[name] = &clientcmdapi.Cluster{Server: c.Host, CertificateAuthorityData: c.CAData}
	content.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: c.BearerToken}
	content.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	content.CurrentContext = name
	if err := clientcmd.WriteToFile(*content, file); err != nil {
		return fmt.Errorf("write a kubeconfig: %w", err)
	}
	return nil
}

// PID is the process id of the API server, for measurements.
func (s *Server) PID() int { return s.api.PID() }

// Close stops both. It may be called again.
func (s *Server) Close() error {
	var err error
	if s.api != nil && s.api.Running() {
		err = s.api.Stop(stopTime)
	}
	if s.etcd != nil && s.etcd.Running() {
		err = errors.Join(err, s.etcd.Stop(stopTime))
	}
	return err
}

func (s *Server) log(name string) string { return filepath.Join(s.config.Dir, name+".log") }

// ready waits until a process answers with 200.
func (s *Server) ready(ctx context.Context, name string, p *process.Process, client *http.Client, url, token string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTime, errors.New("it was not ready in time"))
	defer cancel()
	next := time.NewTicker(askEvery)
	defer next.Stop()
	for !answers(ctx, client, url, token) {
		var why error
		select {
		case <-next.C:
			continue
		case <-p.Done():
			why = fmt.Errorf("it ended: %w", p.Wait())
		case <-ctx.Done():
			why = context.Cause(ctx)
			p.Kill()
		}
		return fmt.Errorf("start %s: %w; the end of %s:\n%s", name, why, s.log(name), process.Tail(process.Log(s.log(name)), 20))
	}
	return nil
}

func answers(ctx context.Context, client *http.Client, url, token string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := client.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = answer.Body.Close() }()
	return answer.StatusCode == http.StatusOK
}
