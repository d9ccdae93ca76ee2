package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/silverback-gateway/silverback/cli/internal/input"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/client"
	"github.com/silverback-gateway/silverback/kit/fault"
)

// Report prints an error for people: each problem of a refused configuration on its own line, the remedy when a service cannot be reached,
// or the message alone.
func (a *App) Report(w io.Writer, err error) {
	var exit *Exit
	if errors.As(err, &exit) && exit.Err == nil {
		return
	}
	call := failedCall(err)
	if call == nil {
		fmt.Fprintf(w, "error: %s\n", show.Clean(err.Error()))
		return
	}
	for _, p := range call.Problems {
		fmt.Fprintln(w, show.Problem(p))
	}
	for _, v := range call.Violations {
		fmt.Fprintf(w, "error: %s: %s\n", v.Field, show.Clean(v.Description))
	}
	switch {
	case len(call.Violations) > 0: // the message only repeats them
	case len(call.Problems) > 0:
		more := ""
		if hidden := call.ProblemCount - int64(len(call.Problems)); hidden > 0 {
			more = fmt.Sprintf(" (%d more are not shown)", hidden)
		}
		fmt.Fprintf(w, "refused: %s%s; nothing was changed\n", show.Count(call.ProblemCount, "problem", "problems"), more)
	case call.Code == codes.Unavailable:
		fmt.Fprintf(w, "error: %s\n", show.Clean(a.unavailable(call, err.Error())))
	case call.Code == codes.DeadlineExceeded:
		from := ""
		if call.Service != "" {
			from = " from the " + call.Service
		}
		fmt.Fprintf(w, "error: no answer%s within %s; --timeout allows more\n", from, a.Flags.Timeout)
	default:
		fmt.Fprintf(w, "error: %s\n", show.Clean(err.Error()))
	}
}

// unavailable prints why a call could not be served: no replica was reached, or the replica cannot serve it.
func (a *App) unavailable(call *client.Error, message string) string {
	switch {
	case call.Reason == "":
		return a.unreachable(call.Service, message)
	case fault.IsNoLedger(call):
		return fmt.Sprintf("the %s answers: %s\nCheck etcd first: it holds all state. Gateways keep serving without it.",
			call.Service, message)
	}
	return fmt.Sprintf("the %s answers: %s", call.Service, message)
}

// unreachable prints that no replica was reached, and what to check.
func (a *App) unreachable(service, reason string) string {
	remedy := "Is it running? Its addresses are set by --" + service + " or " + envName(service) + "."
	switch {
	case strings.Contains(reason, "tls: certificate required"):
		remedy = "It requires a client certificate: give one with --cert-file and --key-file."
	case strings.Contains(reason, "tls: ") || strings.Contains(reason, "x509: "):
		remedy = "Does --ca-file hold the authority that signs the services, and do they trust the authority of the certificate in --cert-file?"
	case a.Flags.TLS.CAFile == "" && strings.Contains(reason, "server preface"):
		remedy = "Does it require TLS? Give its authority with --ca-file, and a certificate with --cert-file and --key-file."
	}
	addresses := map[string][]string{
		client.Registry: a.Flags.Registry, client.Translator: a.Flags.Translator, client.Distributor: a.Flags.Distributor,
	}[service]
	return "the " + service + " does not answer at " + strings.Join(addresses, ", ") + ": " + reason + "\n" + remedy
}

// failedCall returns the failed call behind an error, or nil. An expired deadline of the command itself counts as one.
func failedCall(err error) *client.Error {
	var call *client.Error
	if !errors.As(err, &call) && errors.Is(err, context.DeadlineExceeded) {
		return &client.Error{Code: codes.DeadlineExceeded}
	}
	return call
}

// isInvalidInput reports whether the input is invalid, which is exit code 2.
func isInvalidInput(err error) bool {
	var template *input.TemplateError
	return errors.As(err, &template) || status.Code(err) == codes.InvalidArgument
}

// Reason returns the stable reason of a service's error, such as CONFIG_SHRINK, or "".
func Reason(err error) string {
	if call := failedCall(err); call != nil {
		return call.Reason
	}
	return ""
}
