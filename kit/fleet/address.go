package fleet

import (
	"errors"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// An Address is a host and a port that mean the same in every file and command: an IP address without a zone or a host name, and a number.
// The zero value is none.
type Address struct{ host, port string }

var hostPattern = regexp.MustCompile(`^[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?)*$`)

const maxHost = 253

// ParseAddress parses host:port, with brackets around an IPv6 address. Addresses that nodes report end up in the configuration of load
// balancers, so the syntax is strict. The error states the rule, and does not repeat the text.
func ParseAddress(text string) (Address, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return Address{}, errors.New("want host:port, such as 10.0.0.1:8000, gw-1:8000 or [fd00::1]:8000")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return Address{}, errors.New("the port must be a number from 1 to 65535")
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.Zone() != "" {
			return Address{}, errors.New("the IP address must have no zone: a zone is valid on one machine only")
		}
		return Address{ip.String(), port}, nil
	}
	labels := strings.Split(host, ".")
	_, numeric := strconv.ParseUint(labels[len(labels)-1], 10, 64)
	// nginx reads unix:8000 as the path of a socket.
	if len(host) > maxHost || !hostPattern.MatchString(host) || numeric == nil || strings.EqualFold(host, "unix") {
		return Address{}, errors.New("the host must be an IP address or a name of letters, digits, '-', '_' and '.'")
	}
	return Address{host, port}, nil
}

// Host returns the host, an IPv6 address without brackets.
func (a Address) Host() string { return a.host }

// Port returns the port.
func (a Address) Port() string { return a.port }

// At returns the address with another's host and the same port.
func (a Address) At(other Address) Address { return Address{other.host, a.port} }

// IsZero reports whether there is no address.
func (a Address) IsZero() bool { return a == Address{} }

// String returns host:port, with brackets around an IPv6 address. It is empty for none.
func (a Address) String() string {
	if a.IsZero() {
		return ""
	}
	return net.JoinHostPort(a.host, a.port)
}
