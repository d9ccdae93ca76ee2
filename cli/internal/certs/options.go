package certs

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/kit/identity"
)

// options are the flags.
type options struct {
	dir, trustDomain                string
	services, nodes, users, servers []string
	etcd                            []string // hosts of etcd's members
	days, caDays                    int
}

// wanted is one certificate to make.
type wanted struct {
	name   string   // of the files, without their ends
	common string   // the subject's common name, by which etcd knows its users
	by     string   // the authority, by the name of its files
	uri    *url.URL // nil: without an identity
	hosts  []string // names and addresses that it is for, as a server
	client bool     // it may open connections
}

// life is how long certificates are valid.
type life struct{ leaf, authority time.Duration }

const day = 24 * time.Hour

func (o *options) life() life {
	return life{leaf: time.Duration(o.days) * day, authority: time.Duration(o.caDays) * day}
}

// parse reads the flags and reports everything that is wrong with them.
func (o *options) parse() ([]wanted, error) {
	p := parser{trustDomain: o.trustDomain}
	if o.days <= 0 || o.caDays <= 0 {
		p.wrong("--days and --ca-days must be more than 0")
	}
	if u, err := url.Parse("spiffe://" + o.trustDomain); err != nil || u.Host != o.trustDomain || o.trustDomain == "" {
		p.wrong("--trust-domain: %q is not the name of a host", o.trustDomain)
		return nil, errors.Join(p.problems...)
	}
	for _, text := range o.services {
		p.service(text)
	}
	for _, text := range o.nodes {
		p.node(text)
	}
	for _, text := range o.users {
		p.user(text)
	}
	for _, text := range o.servers {
		name, hosts, ok := split(text)
		if !ok || len(hosts) == 0 || strings.ContainsAny(name, "/\\ ") {
			p.wrong("--server %q: want NAME=HOST,...", text)
			continue
		}
		p.add("server", "server-"+name, identity.Identity{}, hosts)
	}
	if len(o.etcd) > 0 {
		p.etcd("member", "etcd-member", o.etcd)
		p.etcd("client-root", "root", nil)
		for _, text := range o.services {
			if name, _, ok := split(text); ok {
				p.etcd("client-"+name, name, nil)
			}
		}
	}
	return p.list, errors.Join(p.problems...)
}

// parser collects the requested certificates, and what is wrong with the flags.
type parser struct {
	trustDomain string
	list        []wanted
	problems    []error
}

func (p *parser) wrong(format string, args ...any) {
	p.problems = append(p.problems, fmt.Errorf(format, args...))
}

func (p *parser) add(flag, name string, id identity.Identity, hosts []string) {
	w := wanted{name: name, common: name, by: callersAuthority, hosts: hosts, client: true}
	if id.Kind != identity.Nobody {
		w.uri = id.URI(p.trustDomain)
		if _, err := identity.Parse(p.trustDomain, w.uri); err != nil {
			p.wrong("--%s: %w", flag, err)
		}
	}
	if slices.ContainsFunc(p.list, func(other wanted) bool { return other.name == name }) {
		p.wrong("--%s: %s is given twice", flag, name)
	}
	p.list = append(p.list, w)
}

func (p *parser) etcd(name, common string, hosts []string) {
	p.list = append(p.list, wanted{name: "etcd-" + name, common: common, by: etcdAuthority, hosts: hosts, client: true})
}

func (p *parser) service(text string) {
	name, hosts, ok := split(text)
	switch {
	case !ok || len(hosts) == 0:
		p.wrong("--service %q: want NAME=HOST,...", text)
	case !slices.Contains([]string{identity.RegistryService, identity.TranslatorService, identity.DistributorService}, name):
		p.wrong("--service %q: the services are registry, translator and distributor", text)
	default:
		p.add("service", "service-"+name, identity.Identity{Kind: identity.Service, Name: name}, hosts)
	}
}

func (p *parser) node(text string) {
	id, hosts, _ := split(text)
	group, node, ok := strings.Cut(id, "/")
	if !ok {
		p.wrong("--node %q: want GROUP/NODE", text)
		return
	}
	p.add("node", "node-"+group+"-"+node, identity.Identity{Kind: identity.Node, Group: group, Name: node}, hosts)
}

func (p *parser) user(text string) {
	name, word, ok := strings.Cut(text, "=")
	role, err := identity.ParseRole(word)
	switch {
	case !ok || err != nil || name == "":
		p.wrong("--user %q: want NAME=ROLE, the role one of viewer, submitter, operator, admin", text)
	case strings.ContainsAny(name, "/.\\ "):
		p.wrong("--user %q: the name must be usable as a file name", text)
	default:
		p.add("user", "user-"+name, identity.Identity{Kind: identity.User, Name: name, Role: role}, nil)
	}
}

// The authorities, by the names of their files. etcd trusts only its own: a client that it admits may read every configuration.
const (
	callersAuthority = "ca"
	etcdAuthority    = "etcd-ca"
)

// split reads NAME=HOST,HOST.
func split(text string) (name string, hosts []string, ok bool) {
	name, rest, ok := strings.Cut(text, "=")
	for host := range strings.SplitSeq(rest, ",") {
		if host != "" {
			hosts = append(hosts, host)
		}
	}
	return name, hosts, ok && name != ""
}
