// Package target knows the targets of upstreams: their names as Kong has them, and which of them a configuration can do without. It is
// pure.
package target

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// A Name names a target of an upstream.
type Name struct {
	Upstream string `json:"upstream"`
	Target   string `json:"target"` // as Normal has it
}

// MaxPart bounds each part of a Name, in bytes. A host name has at most 253.
const MaxPart = 264

// MaxKept bounds the targets that the gateways of a group keep out. It is part of the contract.
const MaxKept = 2000

// defaultPort is the port of a target without one, as Kong has it.
const defaultPort = "8000"

// Parse returns the Name for texts from outside. Its errors say what is wrong with which.
func Parse(upstream, target string) (Name, error) {
	if upstream == "" || len(upstream) > MaxPart || strings.Trim(upstream, hostBytes) != "" {
		return Name{}, fmt.Errorf("upstream %.80q: want its name, of letters, digits, dots, dashes and underscores", upstream)
	}
	normal, err := Normal(target)
	if err != nil {
		return Name{}, err
	}
	return Name{Upstream: upstream, Target: normal}, nil
}

const hostBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

// Normal returns a target as Kong names it: host:port, with 8000 as the port when there is none, and an address of IPv6 written out.
func Normal(target string) (string, error) {
	bad := fmt.Errorf("target %.80q: want host:port, such as 10.0.0.7:8080 or [fd00::7]:8080", target)
	if target == "" || len(target) > MaxPart {
		return "", bad
	}
	host, port := target, defaultPort
	if ip, err := netip.ParseAddr(strings.Trim(target, "[]")); err == nil && ip.Is6() {
		host = ip.String()
	} else if strings.Contains(target, ":") {
		if host, port, err = net.SplitHostPort(target); err != nil {
			return "", bad
		}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || port[0] == '+' {
		return "", bad
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.Zone() != "" {
			return "", bad
		}
		host = ip.StringExpanded()
	} else if host == "" || strings.Trim(host, hostBytes) != "" {
		return "", bad
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10)), nil
}

// Compare orders names by upstream, then by target.
func (n Name) Compare(other Name) int {
	return cmp.Or(cmp.Compare(n.Upstream, other.Upstream), cmp.Compare(n.Target, other.Target))
}

// String names both parts.
func (n Name) String() string { return fmt.Sprintf("target %s of upstream %s", n.Target, n.Upstream) }

// Reasons why a target cannot be taken out of a configuration. See Upstreams.Lacks.
var (
	ErrNoUpstream = errors.New("there is no such upstream")
	ErrNoTarget   = errors.New("the upstream has no such target")
	ErrNoChecks   = errors.New("the upstream has no health checks, and Kong keeps no target out without them")
)
