// Package identity identifies callers and holds their permissions. A caller is identified by the URI in the client certificate of its TLS
// connection, in the form of SPIFFE. The permissions are one table, and everything that it lacks is denied.
package identity

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/fleet"
)

// DefaultTrustDomain is the trust domain of certificates without another setting.
const DefaultTrustDomain = "silverback"

// Kind is the kind of a caller.
type Kind int

// The kinds of callers. The zero value is nobody.
const (
	Nobody  Kind = iota
	Node         // an agent, by its node
	Service      // a part of the control plane
	User         // a person or a program that submits and reads
)

// Role is the role of a user. Each role includes those before it.
type Role int

// The roles of users.
const (
	NoRole    Role = iota
	Viewer         // reads the fleet, but not configurations, which hold secrets
	Submitter      // submits configurations, and reads them
	Operator       // moves nodes and rollouts
	Admin          // creates, changes and deletes groups and nodes
)

var roles = [...]string{Viewer: "viewer", Submitter: "submitter", Operator: "operator", Admin: "admin"}

// String returns the role as it appears in a certificate.
func (r Role) String() string {
	if r <= NoRole || int(r) >= len(roles) {
		return "none"
	}
	return roles[r]
}

// ParseRole parses the name of a role.
func ParseRole(word string) (Role, error) {
	for r, name := range roles {
		if name != "" && name == word {
			return Role(r), nil
		}
	}
	return NoRole, fmt.Errorf("role %q is not one of viewer, submitter, operator, admin", word)
}

// Identity identifies a caller. It is comparable; the zero value is nobody.
type Identity struct {
	Kind  Kind
	Group string // of a node
	Name  string // of the node, the service or the user
	Role  Role   // of a user
}

// String returns the identity for logs and errors.
func (i Identity) String() string {
	switch i.Kind {
	case Node:
		return "node " + i.Group + "/" + i.Name
	case Service:
		return "service " + i.Name
	case User:
		return "user " + i.Name + " (" + i.Role.String() + ")"
	}
	return "nobody"
}

// URI returns the identity as in a certificate:
//
//	spiffe://<trust domain>/node/<group>/<node>
//
//	spiffe://<trust domain>/service/<name>
//
//	spiffe://<trust domain>/user/<name>/<role>
func (i Identity) URI(trustDomain string) *url.URL {
	path := ""
	switch i.Kind {
	case Node:
		path = "/node/" + i.Group + "/" + i.Name
	case Service:
		path = "/service/" + i.Name
	case User:
		path = "/user/" + i.Name + "/" + i.Role.String()
	}
	return &url.URL{Scheme: "spiffe", Host: trustDomain, Path: path}
}

// maxURI is the longest URI of a certificate, in bytes.
const maxURI = 512

// namePattern matches each part of an identity's path.
var namePattern = regexp.MustCompile(`^[-A-Za-z0-9._@+]+$`)

// Parse parses the URI of a certificate.
func Parse(trustDomain string, uri *url.URL) (Identity, error) {
	shown := clean.Line(uri.String(), maxURI)
	if len(shown) != len(uri.String()) {
		return Identity{}, fmt.Errorf("the certificate's URI %s has %d bytes; at most %d are allowed", shown, len(uri.String()), maxURI)
	}
	if uri.Scheme != "spiffe" || uri.Host != trustDomain {
		return Identity{}, fmt.Errorf("the certificate's URI %s is not in the trust domain spiffe://%s", shown, trustDomain)
	}
	// An encoded separator would turn one name into two. Other characters that need encoding are not allowed in a name.
	if strings.Contains(uri.EscapedPath(), "%") {
		return Identity{}, fmt.Errorf("the certificate's URI %s has a percent-encoded character; use letters, digits and . - _ @ + only", shown)
	}
	wrong := fmt.Errorf("the certificate's URI %s has none of the forms /node/<group>/<node>, /service/<name>, /user/<name>/<role>", shown)
	parts := strings.Split(strings.TrimPrefix(uri.Path, "/"), "/")
	if uri.RawQuery != "" || uri.ForceQuery || uri.Fragment != "" || uri.User != nil || !strings.HasPrefix(uri.Path, "/") || len(parts) < 2 {
		return Identity{}, wrong
	}
	for _, part := range parts {
		if !namePattern.MatchString(part) || strings.Trim(part, ".") == "" {
			return Identity{}, wrong
		}
	}
	switch {
	case parts[0] == "node" && len(parts) == 3:
		if err := errors.Join(fleet.ValidName("group", parts[1]), fleet.ValidName("node", parts[2])); err != nil {
			return Identity{}, fmt.Errorf("the certificate's URI %s: %w", shown, err)
		}
		return Identity{Kind: Node, Group: parts[1], Name: parts[2]}, nil
	case parts[0] == "service" && len(parts) == 2:
		return Identity{Kind: Service, Name: parts[1]}, nil
	case parts[0] == "user" && len(parts) == 3:
		role, err := ParseRole(parts[2])
		if err != nil {
			return Identity{}, fmt.Errorf("the certificate's URI %s: %w", shown, err)
		}
		return Identity{Kind: User, Name: parts[1], Role: role}, nil
	}
	return Identity{}, wrong
}

// ValidUser returns what is wrong with the name of a user.
func ValidUser(name string) error {
	if !namePattern.MatchString(name) || strings.Trim(name, ".") == "" || len(name) > maxURI/2 {
		return fmt.Errorf("user %q: use at most %d letters, digits and . - _ @ +", clean.Line(name, clean.MaxWord), maxURI/2)
	}
	return nil
}

// FromCertificate reads the identity of a verified certificate, which must have exactly one URI, as an X.509-SVID has.
func FromCertificate(trustDomain string, cert *x509.Certificate) (Identity, error) {
	if len(cert.URIs) != 1 {
		return Identity{}, fmt.Errorf("the certificate has %d URIs; exactly one must say who the caller is", len(cert.URIs))
	}
	return Parse(trustDomain, cert.URIs[0])
}

// errNoCertificate means that the connection has no client certificate.
var errNoCertificate = errors.New("the connection has no client certificate")

// fromPeer returns who opened the connection of a call, and when the certificate was issued.
func fromPeer(ctx context.Context, trustDomain string) (who Identity, issued time.Time, err error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return Identity{}, time.Time{}, errNoCertificate
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 || len(info.State.VerifiedChains[0]) == 0 {
		return Identity{}, time.Time{}, errNoCertificate
	}
	certificate := info.State.VerifiedChains[0][0]
	who, err = FromCertificate(trustDomain, certificate)
	return who, certificate.NotBefore, err
}

type callerKey struct{}

// Caller returns the caller of a call; nobody where callers are not authenticated.
func Caller(ctx context.Context) Identity {
	i, _ := ctx.Value(callerKey{}).(Identity)
	return i
}
