package roster

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/kong/proof"
)

// Bounds of probes. Every renewal of a group's agents is answered with them.
const (
	MaxProbes        = 16
	MaxProbePath     = 1024
	MaxProbeHost     = 253 + len(":65535")
	MaxProbeHeaders  = 8
	MaxProbeHeader   = 256 // of a name and its value together
	MinProbeInterval = time.Second
	MaxProbeInterval = 5 * time.Minute
)

// probeViolations returns everything wrong with the probes of a policy.
func probeViolations(path string, probes []fleet.Probe) (bad []fault.Violation) {
	if len(probes) > MaxProbes {
		bad = append(bad, fault.Violation{Field: path, Description: fmt.Sprintf("has %d probes; at most %d are allowed", len(probes), MaxProbes)})
	}
	seen := map[[2]string]int{}
	for i, p := range probes {
		add := func(field, format string, args ...any) {
			bad = append(bad, fault.Violation{Field: fmt.Sprintf("%s[%d].%s", path, i, field), Description: fmt.Sprintf(format, args...)})
		}
		n := p.Normal()
		if problem := probePath(p.Path); problem != "" {
			add("path", "%s", problem)
		}
		if problem := probeHost(p.Host); problem != "" {
			add("host", "%s", problem)
		}
		if n.Expect < 100 || n.Expect > 599 {
			add("expect", "is %d; want a status from 100 to 599, or 0 for %d", p.Expect, fleet.DefaultProbeStatus)
		}
		probeHeaders(p.Headers, add)
		if *n.Interval < MinProbeInterval || *n.Interval > MaxProbeInterval {
			add("interval", "is %s; want %s to %s", *n.Interval, MinProbeInterval, MaxProbeInterval)
		} else if *n.Timeout <= 0 || *n.Timeout >= *n.Interval {
			add("timeout", "is %s; want more than 0 and less than the interval of %s", *n.Timeout, *n.Interval)
		}
		if before, twice := seen[[2]string{n.Host, p.Path}]; twice {
			add("path", "is asked of the same host by probes[%d] too; results are told apart by path and host", before)
		} else {
			seen[[2]string{n.Host, p.Path}] = i
		}
	}
	return bad
}

// secretRemedy is the alternative to a probe with credentials.
const secretRemedy = "a group's policy is shown to whoever reads it, so it holds no credentials: probe a path that needs none, such as a " +
	"route of its own without an auth plugin"

func probePath(path string) string {
	switch {
	case !strings.HasPrefix(path, "/"):
		return "must begin with '/'"
	case len(path) > MaxProbePath:
		return fmt.Sprintf("has %d bytes; at most %d are allowed", len(path), MaxProbePath)
	case strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' }):
		return "holds a space, a '#', or a character that is not ASCII; percent-encode it"
	}
	u, err := url.ParseRequestURI(path)
	if err != nil || u.Host != "" {
		return "is not the path of a request"
	}
	for name := range u.Query() {
		if looksSecret(name) {
			return "its query looks like a credential; " + secretRemedy
		}
	}
	return ""
}

func probeHost(host string) string {
	switch u, err := url.Parse("http://" + host); {
	case host == "":
		return ""
	case len(host) > MaxProbeHost || err != nil || u.Host != host || u.Hostname() == "" || strings.ContainsAny(host, "/?#@ "):
		return "is not a host, or a host and a port"
	case strings.EqualFold(u.Hostname(), proof.Host):
		return "is reserved: agents ask it for what the gateway serves"
	}
	return ""
}

func probeHeaders(headers map[string]string, add func(field, format string, args ...any)) {
	if len(headers) > MaxProbeHeaders {
		add("headers", "has %d headers; at most %d are allowed", len(headers), MaxProbeHeaders)
	}
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		canonical := http.CanonicalHeaderKey(name)
		// Messages never hold the value: it may be a secret.
		switch value := headers[name]; {
		case !token(name):
			add("headers", "%.64q is not the name of a header", name)
		case looksSecret(name):
			add("headers", "%q looks like a credential; %s", canonical, secretRemedy)
		case canonical == "Host":
			add("headers", "%q is not taken as a header: use host", canonical)
		case transport(canonical):
			add("headers", "%q belongs to the connection, and cannot be set", canonical)
		case len(name)+len(value) > MaxProbeHeader:
			add("headers", "%q has %d bytes with its value; at most %d are allowed", canonical, len(name)+len(value), MaxProbeHeader)
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			add("headers", "the value of %q holds a control character", canonical)
		case seen[canonical]:
			add("headers", "%q is given twice, in different cases", canonical)
		}
		seen[canonical] = true
	}
}

// token reports whether a text may be the name of a header (RFC 9110).
func token(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

func transport(canonical string) bool {
	return slices.Contains([]string{"Connection", "Content-Length", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect"},
		canonical)
}

// looksSecret reports whether a name is one that credentials usually go by.
func looksSecret(name string) bool {
	plain := strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name))
	for _, word := range []string{"authorization", "cookie", "apikey", "token", "secret", "password", "passwd", "credential", "signature",
		"jwt"} {
		if strings.Contains(plain, word) {
			return true
		}
	}
	return false
}
