package proxy

import (
	"crypto/tls"
	"strings"
	"sync"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/declarative"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/entity"
)

// certificate is what a certificate entity holds: one pair, or an alternative one beside it.
type certificate func() ([]*tls.Certificate, error)

// certificatesOf finds certificates by their SNIs. A pair is parsed when it is first asked for, since a configuration may have thousands.
func certificatesOf(set *declarative.Population) map[string]certificate {
	byID := map[string]certificate{}
	for _, n := range set.ByKind["certificates"] {
		byID[n.ID] = sync.OnceValues(func() ([]*tls.Certificate, error) { return pairs(n) })
	}
	byName := map[string]certificate{}
	for _, n := range set.ByKind["snis"] {
		if c := byID[set.Target(n, "certificate")]; c != nil {
			byName[n.Text("name")] = c
		}
	}
	return byName
}

func pairs(n *entity.Node) (list []*tls.Certificate, err error) {
	for _, fields := range [][2]string{{"cert", "key"}, {"cert_alt", "key_alt"}} {
		cert, key := n.Text(fields[0]), n.Text(fields[1])
		if cert == "" || key == "" {
			continue
		}
		pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
		if err != nil {
			return nil, err
		}
		list = append(list, &pair)
	}
	return list, nil
}

// certificateNames are the SNIs under which a certificate for a name is looked for, the best first: the name itself, with its first label
// replaced by *, with its last label replaced by *, and *. Names of two labels have no wildcard before them.
func certificateNames(name string) []string {
	names := []string{name}
	first, rest, _ := strings.Cut(name, ".")
	if first != "" && strings.Contains(strings.Trim(rest, "."), ".") {
		names = append(names, "*."+rest)
	}
	if at := strings.LastIndexByte(name, '.'); at > 0 && at < len(name)-1 {
		names = append(names, name[:at+1]+"*")
	}
	return append(names, "*")
}

// Certificate picks the configured certificate for a client that begins TLS, as the worker of its connection has it. It returns nil when
// there is none, so that the listener shows its own, as also to a client without a name.
func (p *Proxy) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	wk, ok := hello.Context().Value(workerKey{}).(*Worker)
	if !ok || hello.ServerName == "" {
		return nil, nil
	}
	table := wk.table.Load()
	if table == nil {
		return nil, nil
	}
	for _, name := range certificateNames(hello.ServerName) {
		configured := table.certificates[name]
		if configured == nil {
			continue
		}
		list, err := configured()
		if err != nil || len(list) == 0 {
			return nil, err
		}
		for _, pair := range list {
			if hello.SupportsCertificate(pair) == nil {
				return pair, nil
			}
		}
		return list[0], nil
	}
	return nil, nil
}
