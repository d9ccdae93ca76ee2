// Package api answers the rpcs of the registry: it decodes, calls, encodes. It decides nothing.
package api

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/silverback-gateway/silverback/kit/etcdkv"
	"github.com/silverback-gateway/silverback/kit/fault"
	"github.com/silverback-gateway/silverback/kit/fleet"
	registryv1 "github.com/silverback-gateway/silverback/proto/gen/silverback/registry/v1"
	"github.com/silverback-gateway/silverback/services/registry/internal/roster"
	"github.com/silverback-gateway/silverback/services/registry/internal/schemas"
	"github.com/silverback-gateway/silverback/services/registry/internal/session"
	"github.com/silverback-gateway/silverback/services/registry/internal/view"
)

// Ledger is what the rpcs write directly; session.Sessions writes sessions.
type Ledger interface {
	CreateGroup(ctx context.Context, g roster.Group) (there roster.Group, revision int64, created bool, err error)
	Group(ctx context.Context, name fleet.GroupID) (*roster.Group, int64, error)
	UpdateGroup(ctx context.Context, g roster.Group, readAt int64) (int64, error)
	DeleteGroup(ctx context.Context, name fleet.GroupID) (int64, error)
	DeleteNode(ctx context.Context, key roster.Key) (int64, error)
	Revoke(ctx context.Context, key roster.Key, forget bool, decide func(before *roster.Revocation, total int64) (roster.Revocation, error)) (
		roster.Revocation, int64, error)
	Unrevoke(ctx context.Context, key roster.Key) (int64, error)
	ChangeNode(ctx context.Context, key roster.Key, decide func(roster.Node) (roster.Node, bool)) (int64, error)
}

// Server implements RegistryService.
type Server struct {
	registryv1.UnimplementedRegistryServiceServer
	Ledger   Ledger
	View     *view.View
	Sessions *session.Sessions
	Schemas  *schemas.Cache
	TTL      time.Duration
	Renew    time.Duration
	Draining <-chan struct{} // closed when streams must end

	Unmanaged     Unmanaged
	InventorySlot chan struct{} // capacity 1

	cache probeCache
}

const readOwnWritesTimeout = 2 * time.Second

// ready refuses calls until the replica knows the fleet: an empty answer would look like an empty fleet.
func (s *Server) ready() error {
	select {
	case <-s.View.Synced():
		return nil
	default:
		return fault.New(fault.Down, "STARTING", "this replica has not read the ledger yet")
	}
}

// awaitView waits briefly for this replica to show a write, so that callers read their own writes.
func (s *Server) awaitView(ctx context.Context, revision int64) {
	ctx, cancel := context.WithTimeout(ctx, readOwnWritesTimeout)
	defer cancel()
	s.View.Await(ctx, revision)
}

const pageTokenMark = "1:"

func pageToken(last string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(pageTokenMark + last))
}

func parsePageToken(token string) (string, error) {
	if token == "" {
		return "", nil
	}
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(text) < len(pageTokenMark) || string(text[:len(pageTokenMark)]) != pageTokenMark {
		return "", fault.InvalidFields(fault.Violation{Field: "page_token", Description: "was not made by this service"})
	}
	return string(text[len(pageTokenMark):]), nil
}

// name appends what is wrong with a name.
func name(bad []fault.Violation, field, what, value string) []fault.Violation {
	if err := fleet.ValidName(what, value); err != nil {
		bad = append(bad, fault.Violation{Field: field, Description: err.Error()})
	}
	return bad
}

// tooLong appends that something has more bytes than are allowed.
func tooLong(bad []fault.Violation, field string, bytes, limit int) []fault.Violation {
	if bytes > limit {
		bad = append(bad, fault.Violation{Field: field, Description: fmt.Sprintf("has %d bytes; at most %d are allowed", bytes, limit)})
	}
	return bad
}

// reason appends what is wrong with the reason of an operator.
func reason(bad []fault.Violation, text string) []fault.Violation {
	if n, limit := len(text), roster.MaxReason; n > limit || !utf8.ValidString(text) {
		bad = append(bad, fault.Violation{Field: "reason", Description: fmt.Sprintf("has %d bytes; at most %d of UTF-8 are allowed", n, limit)})
	}
	return bad
}

// keyOf returns the key of a node, or a fault with what is wrong with its names and with the rest of the request.
func keyOf(group, node string, bad ...fault.Violation) (roster.Key, error) {
	return roster.Key{Group: fleet.GroupID(group), Node: fleet.NodeID(node)},
		invalid(name(name(bad, "group", "group", group), "node", "node", node))
}

func invalid(bad []fault.Violation) error {
	if len(bad) == 0 {
		return nil
	}
	return fault.InvalidFields(bad...)
}

func down(err error) error {
	if fault.KindOf(err) != fault.Internal || err == nil {
		return err
	}
	if refused := etcdkv.Fault(err); fault.KindOf(refused) != fault.Internal {
		return refused
	}
	return fault.NoLedger(err)
}

func (s *Server) interval() *durationpb.Duration { return durationpb.New(s.Renew) }
