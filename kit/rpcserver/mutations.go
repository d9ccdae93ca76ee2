package rpcserver

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/kit/clean"
	"github.com/silverback-gateway/silverback/kit/identity"
)

// readPrefixes are prefixes of methods that are not logged as changes: they change nothing, or each node calls them every few seconds.
var readPrefixes = []string{"Get", "List", "Watch", "Validate", "Diff", "Render", "Locate", "Check", "Follow", "ServerReflection", "Renew"}

// mutates reports whether a method changes the state of a service.
func mutates(method string) bool {
	name := method[strings.LastIndexByte(method, '/')+1:]
	return !slices.ContainsFunc(readPrefixes, func(word string) bool { return strings.HasPrefix(name, word) })
}

// logMutations logs, at level info, who changed what, and the result. Of a request it logs only names and ids, no content.
func logMutations(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		answer, err := handle(ctx, request)
		if only, ok := request.(interface{ GetValidateOnly() bool }); !mutates(info.FullMethod) || ok && only.GetValidateOnly() {
			return answer, err
		}
		who := identity.Caller(ctx)
		facts := []any{"method", info.FullMethod, "caller", clean.Line(who.String(), clean.MaxWord), "role", who.Role.String(), "code",
			status.Code(err).String()}
		facts = append(facts, names(request)...)
		log.Info("change asked for", facts...)
		return answer, err
	}
}

// names returns the names in a request as pairs of key and value.
func names(request any) (all []any) {
	add := func(key, value string) {
		if value != "" {
			all = append(all, key, clean.Line(value, clean.MaxWord))
		}
	}
	if r, ok := request.(interface{ GetGroup() string }); ok {
		add("group", r.GetGroup())
	}
	if r, ok := request.(interface{ GetNode() string }); ok {
		add("node", r.GetNode())
	}
	if r, ok := request.(interface{ GetName() string }); ok {
		add("name", r.GetName())
	}
	if r, ok := request.(interface{ GetSource() string }); ok {
		add("source", r.GetSource())
	}
	if r, ok := request.(interface{ GetRequestId() string }); ok {
		add("request_id", r.GetRequestId())
	}
	return all
}
