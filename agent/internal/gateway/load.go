package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/silverback-gateway/silverback/agent/internal/verdict"
	"github.com/silverback-gateway/silverback/kit/backoff"
)

// LoadGap is the least time between two loads. With less, a worker can keep its old router (fact F43).
const LoadGap = time.Second

// Load posts a configuration, at least Options.LoadGap after the last load. With anew, the gateway loads it even if it runs it
// already. Nil means that the gateway accepted it or ran it already (304): it is loaded, but not proven (fact F26). Every other
// result is a *verdict.Refusal or a *verdict.Failure.
func (g *Gateway) Load(ctx context.Context, posted []byte, anew bool) error {
	// Of concurrent posts Kong keeps the last to end, or refuses some.
	select {
	case g.loading <- struct{}{}:
		defer func() { <-g.loading }()
	case <-ctx.Done():
		return &verdict.Failure{Reason: verdict.Busy, Message: "another load is under way"}
	}
	if err := g.WaitLoadGap(ctx); err != nil {
		return &verdict.Failure{Reason: verdict.Busy, Message: "another load has just ended"}
	}
	ctx, cancel := context.WithTimeout(ctx, g.opts.LoadTimeout)
	defer cancel()
	defer func() {
		now := time.Now()
		g.loaded.Store(&now)
	}()
	lacking, err := g.post(ctx, posted, true, anew)
	if !lacking {
		return err
	}
	// Flattened errors lack some reasons, such as dangling references by id. A refused post changes nothing (fact F9), so it is repeated
	// without flattening.
	var plain *verdict.Refusal
	if lacking, again := g.post(ctx, posted, false, anew); !lacking && errors.As(again, &plain) {
		return plain
	}
	return err
}

// WaitLoadGap waits until Options.LoadGap has passed since the last load, so that the next one need not wait.
func (g *Gateway) WaitLoadGap(ctx context.Context) error {
	last := g.loaded.Load()
	if last == nil {
		return nil
	}
	return backoff.Sleep(ctx, time.Until(last.Add(g.opts.LoadGap)))
}

// vague reports whether no problem names an entity or a field.
func vague(problems []verdict.Problem) bool {
	for _, p := range problems {
		if p.Kind != "" || p.Field != "" {
			return false
		}
	}
	return true
}

// askFirst is the size from which on the post asks with Expect: 100-continue. A gateway that refuses the size answers 413 and
// closes the connection, and that answer would be lost while the body is being written (fact F17).
const askFirst = 64 << 10

// post sends one request. Lacking means that Kong refused the configuration and its reasons name nothing.
func (g *Gateway) post(ctx context.Context, posted []byte, flatten, anew bool) (lacking bool, err error) {
	// Post the snapshot as text: only then is Kong's hash the MD5 of these very bytes (facts F2 and F3).
	query := url.Values{}
	if !anew {
		query.Set("check_hash", "1")
	}
	if flatten {
		query.Set("flatten_errors", "1")
	}
	at := g.admin.base + "/config?" + query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(posted))
	if err != nil {
		return false, &verdict.Failure{Reason: verdict.GatewayError, Message: "the Admin API's URL cannot be posted to"}
	}
	req.Header.Set("Content-Type", "text/yaml")
	if len(posted) > askFirst {
		req.Header.Set("Expect", "100-continue")
	}
	resp, err := g.kong.DoRAW(ctx, req)
	if err != nil {
		return false, noAnswer(err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusCreated:
		// The body is nine times the request and holds every secret (fact F8). Closing it unread ends the connection,
		// which is cheaper.
		return false, nil
	case http.StatusNotModified:
		drain(resp.Body)
		return false, nil
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // for a partial body the status decides
	err = failureOf(resp, body, len(posted))
	var refusal *verdict.Refusal
	if resp.StatusCode != http.StatusBadRequest || !errors.As(err, &refusal) {
		return false, err // the message is the agent's own
	}
	return vague(refusal.Problems), redactPosted(nameLacking(err, posted), posted)
}

// failureOf turns an answer that is not a success into a *verdict.Refusal or a *verdict.Failure.
func failureOf(resp *http.Response, body []byte, size int) error {
	isJSON := strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json")
	said := ""
	if isJSON {
		said = messageOf(body)
	}
	refuse := func(format string, args ...any) error {
		return &verdict.Refusal{Problems: []verdict.Problem{{Message: fmt.Sprintf(format, args...)}}}
	}
	switch resp.StatusCode {
	case http.StatusBadRequest:
		if !isJSON {
			// From nginx, before Kong saw the configuration.
			return &verdict.Failure{Reason: verdict.GatewayError, Message: "the gateway answered 400 with a page that is not Kong's"}
		}
		return &verdict.Refusal{Problems: decode(body)}
	case http.StatusRequestEntityTooLarge:
		if isJSON {
			return refuse("the configuration of %d bytes does not fit into the gateway's LMDB; consider raising lmdb_map_size", size)
		}
		return refuse("the configuration of %d bytes is over the gateway's limit for a request; raise nginx_admin_client_max_body_size", size)
	case http.StatusUnsupportedMediaType:
		return &verdict.Failure{Reason: verdict.GatewayError, Message: "the gateway does not accept text/yaml (415): this version of Kong is " +
			"not supported"}
	case http.StatusTooManyRequests:
		return &verdict.Failure{Reason: verdict.Busy, Message: "the gateway is loading already",
			RetryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	case http.StatusInternalServerError:
		return &verdict.Failure{
			Reason: verdict.GatewayError, Message: "the gateway answered 500",
			Suspect: strings.HasPrefix(said, "An unexpected error occurred"),
		}
	case http.StatusMethodNotAllowed, http.StatusNotFound:
		return &verdict.Failure{Reason: verdict.GatewayError, Message: fmt.Sprintf(
			"the gateway answered %d: it is not a DB-less Kong, or this is not its Admin API", resp.StatusCode)}
	case http.StatusUnauthorized, http.StatusForbidden:
		return &verdict.Failure{Reason: verdict.GatewayError, Message: fmt.Sprintf("the Admin API answered %d: the token is not accepted",
			resp.StatusCode)}
	}
	return &verdict.Failure{Reason: verdict.GatewayError, Message: fmt.Sprintf("the gateway answered %d", resp.StatusCode)}
}

// maxRetryAfter bounds Retry-After, so that a misread header cannot stop a node.
const maxRetryAfter = 2 * time.Minute

// retryAfter parses Retry-After: seconds, which Kong sends, or a date, which a proxy in front of Kong may send.
func retryAfter(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	wait := time.Duration(0)
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if date, err := http.ParseTime(text); err == nil {
		wait = date.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// noAnswer turns the error of a request without an answer into a *verdict.Failure.
func noAnswer(err error) error {
	var timeout net.Error
	var dial *net.OpError
	var untrusted *tlsError
	switch {
	case errors.As(err, &untrusted):
		return &verdict.Failure{Reason: verdict.Unreachable, Message: "TLS with the Admin API fails: " + untrusted.Error()}
	case errors.As(err, &dial) && dial.Op == "remote error":
		// The gateway verifies the agent's certificate after the handshake.
		return &verdict.Failure{Reason: verdict.Unreachable, Message: "the Admin API refuses the agent's certificate: " + dial.Err.Error()}
	case errors.As(err, &dial) && dial.Op == "dial":
		return &verdict.Failure{Reason: verdict.Unreachable, Message: "the Admin API cannot be reached: " + dial.Err.Error()}
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		return &verdict.Failure{Reason: verdict.Timeout, Message: "the gateway did not answer in time", Uncertain: true}
	case errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &verdict.Failure{Reason: verdict.Unreachable, Message: "the gateway broke the connection", Uncertain: true}
	}
	return &verdict.Failure{Reason: verdict.Unreachable, Message: "no answer from the Admin API", Uncertain: true}
}
