package etcdkv

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/pflag"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/silverback-gateway/silverback/kit/tlsfiles"
)

const (
	connectTime = 5 * time.Second
	// A member that disappeared is detected after the sum of both.
	probeTime    = 5 * time.Second
	probeTimeout = 3 * time.Second
	// gRPC's default pauses between attempts grow to two minutes. The control plane would be down for as long after etcd is back.
	longestPause = 2 * time.Second
)

// Config is how to reach etcd.
type Config struct {
	Endpoints []string       // host:port of every member
	Prefix    string         // of every key, added to the keys that callers use; empty: none
	TLS       tlsfiles.Files // without a CA connections are plain
	Metrics   *Metrics       // nil: no metrics
}

// AddFlags adds the flags of a client of etcd.
func (c *Config) AddFlags(flags *pflag.FlagSet) {
	flags.StringSliceVar(&c.Endpoints, "etcd-endpoints", []string{"127.0.0.1:2379"}, "members of etcd, host:port")
	flags.StringVar(&c.Prefix, "etcd-prefix", DefaultPrefix, "prefix of every key in etcd: the same for all services of an "+
		"installation, and different for each installation")
	flags.StringVar(&c.TLS.CA, "etcd-ca-file", "", "PEM file of the authority that signs etcd's members; without it connections to etcd are "+
		"plain")
	flags.StringVar(&c.TLS.Cert, "etcd-cert-file", "", "PEM file of the certificate that this process shows to etcd")
	flags.StringVar(&c.TLS.Key, "etcd-key-file", "", "PEM file of the key of --etcd-cert-file")
}

// Check returns what is wrong with the configuration.
func (c *Config) Check() error {
	var problems []error
	if len(c.Endpoints) == 0 {
		problems = append(problems, errors.New("--etcd-endpoints: no member is given"))
	}
	for _, e := range c.Endpoints {
		if _, _, err := net.SplitHostPort(e); err != nil || strings.Contains(e, "/") {
			problems = append(problems, fmt.Errorf("--etcd-endpoints: %q: want host:port", e))
		}
	}
	problems = append(problems, checkPrefix(c.Prefix))
	if c.TLS.CA == "" && (c.TLS.Cert != "" || c.TLS.Key != "") {
		problems = append(problems, errors.New("--etcd-cert-file needs --etcd-ca-file, the authority of etcd's members"))
	}
	problems = append(problems, c.TLS.Check("etcd-cert-file", "etcd-key-file", "etcd-ca-file"))
	return errors.Join(problems...)
}

// CheckApart returns an error when etcd would trust the authority that signs the certificates of this process's callers. Each gateway and
// each user could then read every configuration in etcd and write what gateways run. callers is the file with that authority; empty is
// none.
func (c *Config) CheckApart(callers string) error {
	if c.TLS.CA == "" || callers == "" {
		return nil
	}
	if err := tlsfiles.Apart(callers, c.TLS.CA); err != nil {
		return fmt.Errorf("--client-ca-file and --etcd-ca-file: %w: etcd would let every gateway and user read and write all there is; "+
			"give etcd an authority of its own, such as silverback certs --etcd makes", err)
	}
	return nil
}

// TLSFiles returns the names of the client's certificate files. Unused ones are empty.
func (c *Config) TLSFiles() []string { return []string{c.TLS.Cert, c.TLS.CA} }

// Dial returns a client of etcd. It connects at the first call, and reconnects soon after an outage. Reads fail with ErrWentBack when
// etcd's revision is older than one that the client saw before.
func Dial(c Config) (*clientv3.Client, error) {
	options := []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.3, MaxDelay: longestPause},
		MinConnectTimeout: probeTimeout,
	})}
	seen := &history{}
	options = append(options, grpc.WithChainUnaryInterceptor(seen.unary), grpc.WithChainStreamInterceptor(seen.stream))
	if c.Metrics != nil {
		options = append(options, c.Metrics.dialOption())
	}
	if c.TLS.CA != "" {
		source, err := tlsfiles.Client(c.TLS, nil)
		if err != nil {
			return nil, fmt.Errorf("the files of TLS with etcd: %w", err)
		}
		// This replaces the client's own TLS setting, which does not follow the files.
		options = append(options, grpc.WithTransportCredentials(source.ClientCredentials()))
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: c.Endpoints, DialTimeout: connectTime, DialKeepAliveTime: probeTime, DialKeepAliveTimeout: probeTimeout, Logger: zap.NewNop(),
		DialOptions: options,
	})
	if err != nil {
		return nil, fmt.Errorf("connect to etcd: %w", err)
	}
	if c.Prefix != "" {
		under(client, c.Prefix)
	}
	return client, nil
}
