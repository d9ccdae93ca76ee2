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

// wanted is one certificate that is to be there.
type wanted struct {
	name   string   // of the files, without their ends
	common string   // the subject's common name, by which etcd knows its users
	by     string   // the authority, by the name of its files
	uri    *url.URL // nil: without an identity
	hosts  []string // names and addresses that it is for, as a server
	client bool     // it may open connections
}

// life is how long certificates are good.
type life struct{ leaf, authority time.Duration }

const day = 24 * time.Hour

func (o *options) life() life {
	return life{leaf: time.Duration(o.days) * day, authority: time.Duration(o.caDays) * day}
}

// parse reads the flags, and says everything that is wrong with them.
func (o *options) parse() ([]wanted, error) {
	var list []wanted
	var problems []error
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	add := func(flag, name string, id identity.Identity, hosts []string) {
		w := wanted{name: name, common: name, by: callersAuthority, hosts: hosts, client: true}
		if id.Kind != identity.Nobody {
			w.uri = id.URI(o.trustDomain)
			if _, err := identity.Parse(o.trustDomain, w.uri); err != nil {
				wrong("--%s: %w", flag, err)
			}
		}
		if slices.ContainsFunc(list, func(other wanted) bool { return other.name == name }) {
			wrong("--%s: %s is asked for twice", flag, name)
		}
		list = append(list, w)
	}
	if o.days <= 0 || o.caDays <= 0 {
		wrong("--days and --ca-days must be more than 0")
	}
	if u, err := url.Parse("spiffe://" + o.trustDomain); err != nil || u.Host != o.trustDomain || o.trustDomain == "" {
		wrong("--trust-domain: %q is not the name of a host", o.trustDomain)
		return nil, errors.Join(problems...)
	}
	for _, text := range o.services {
		name, hosts, ok := split(text)
		if !ok || len(hosts) == 0 {
			wrong("--service %q: want NAME=HOST,...", text)
			continue
		}
		if !slices.Contains([]string{identity.RegistryService, identity.TranslatorService, identity.DistributorService}, name) {
			wrong("--service %q: the services are registry, translator and distributor", text)
			continue
		}
		add("service", "service-"+name, identity.Identity{Kind: identity.Service, Name: name}, hosts)
	}
	for _, text := range o.nodes {
		id, hosts, _ := split(text)
		group, node, ok := strings.Cut(id, "/")
		if !ok {
			wrong("--node %q: want GROUP/NODE", text)
			continue
		}
		add("node", "node-"+group+"-"+node, identity.Identity{Kind: identity.Node, Group: group, Name: node}, hosts)
	}
	for _, text := range o.users {
		name, word, ok := strings.Cut(text, "=")
		role, err := identity.ParseRole(word)
		if !ok || err != nil || name == "" {
			wrong("--user %q: want NAME=ROLE, the role one of viewer, submitter, operator, admin", text)
			continue
		}
		if strings.ContainsAny(name, "/.\\ ") {
			wrong("--user %q: the name must do for a file", text)
			continue
		}
		add("user", "user-"+name, identity.Identity{Kind: identity.User, Name: name, Role: role}, nil)
	}
	for _, text := range o.servers {
		name, hosts, ok := split(text)
		if !ok || len(hosts) == 0 || strings.ContainsAny(name, "/\\ ") {
			wrong("--server %q: want NAME=HOST,...", text)
			continue
		}
		add("server", "server-"+name, identity.Identity{}, hosts)
	}
	if len(o.etcd) > 0 {
		add := func(name, common string, hosts []string) {
			list = append(list, wanted{name: "etcd-" + name, common: common, by: etcdAuthority, hosts: hosts, client: true})
		}
		add("member", "etcd-member", o.etcd)
		add("client-root", "root", nil)
		for _, text := range o.services {
			if name, _, ok := split(text); ok {
				add("client-"+name, name, nil)
			}
		}
	}
	return list, errors.Join(problems...)
}

// The authorities, by the names of their files. etcd trusts its own alone: whoever it lets in may read every configuration.
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
