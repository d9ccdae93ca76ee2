// Package webhook sends events to HTTP servers: in order for each, at least once, signed, and again until they are taken or too old. It
// decides what an answer means and does not know how places are stored.
package webhook

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/silverback-gateway/silverback/kit/fleet"
	"github.com/silverback-gateway/silverback/services/distributor/internal/event"
)

// A Hook is one server that events are sent to.
type Hook struct {
	Name       string        `yaml:"name"`        // of its place in the ledger, its logs and metrics
	URL        string        `yaml:"url"`         // may hold a secret: it is in no log
	SecretFile string        `yaml:"secret_file"` // signs what is sent; read at each attempt
	CAFile     string        `yaml:"ca_file"`     // PEM authorities of the server; empty: those of the system
	Groups     []string      `yaml:"groups"`      // empty: all
	Reasons    []string      `yaml:"reasons"`     // empty: all
	Timeout    time.Duration `yaml:"timeout"`     // of one attempt; 0: DefaultTimeout
	RetryFor   time.Duration `yaml:"retry_for"`   // how long an event is tried; 0: DefaultRetryFor
	AllowHTTP  bool          `yaml:"allow_http"`  // plain HTTP beyond loopback
}

// Defaults and bounds of hooks.
const (
	DefaultTimeout  = 10 * time.Second
	DefaultRetryFor = time.Hour

	maxFile     = 1 << 20
	maxHooks    = 32
	maxTimeout  = time.Minute
	maxRetryFor = 24 * time.Hour
	leastSecret = 16
	maxSecret   = 4 << 10
)

// Load reads the hooks of a file, and returns all of its problems together.
func Load(file string) ([]Hook, error) {
	text, err := readFile(file, maxFile)
	if err != nil {
		return nil, err
	}
	var content struct {
		Webhooks []Hook `yaml:"webhooks"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&content); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read webhooks: %w", err)
	}
	hooks := content.Webhooks
	if len(hooks) > maxHooks {
		return nil, fmt.Errorf("%d webhooks: at most %d are allowed", len(hooks), maxHooks)
	}
	var problems []error
	names := map[string]bool{}
	for i := range hooks {
		h := &hooks[i]
		if h.Timeout == 0 {
			h.Timeout = DefaultTimeout
		}
		if h.RetryFor == 0 {
			h.RetryFor = DefaultRetryFor
		}
		problems = append(problems, h.check(fmt.Sprintf("webhooks[%d]", i))...)
		if names[h.Name] {
			problems = append(problems, fmt.Errorf("webhooks[%d].name: %q is taken", i, h.Name))
		}
		names[h.Name] = true
	}
	return hooks, errors.Join(problems...)
}

// check returns the problems of a hook. None quotes its URL.
func (h *Hook) check(at string) (problems []error) {
	add := func(field, format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s.%s: "+format, append([]any{at, field}, args...)...))
	}
	if err := fleet.ValidName("webhook", h.Name); err != nil {
		add("name", "%w", err)
	}
	switch u, err := url.Parse(h.URL); {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		add("url", "want https://HOST/PATH")
	case u.User != nil:
		add("url", "may hold no user and password; requests are signed")
	case u.Scheme == "http" && !loopback(u.Hostname()) && !h.AllowHTTP:
		add("url", "plain http is read by others on the way; allow_http: true allows it")
	}
	if _, err := h.secret(); err != nil {
		add("secret_file", "%w", err)
	}
	if h.Timeout < 0 || h.Timeout > maxTimeout {
		add("timeout", "%s: want up to %s", h.Timeout, maxTimeout)
	}
	if h.RetryFor < 0 || h.RetryFor > maxRetryFor {
		add("retry_for", "%s: want up to %s", h.RetryFor, maxRetryFor)
	}
	for _, r := range h.Reasons {
		if !event.Reason(r).Known() {
			add("reasons", "%q is none; docs/events.md lists them", r)
		}
	}
	if _, err := h.authorities(); err != nil {
		add("ca_file", "%w", err)
	}
	return problems
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// filter chooses the events of a hook.
func (h *Hook) filter() event.Filter {
	var f event.Filter
	for _, g := range h.Groups {
		f.Groups = append(f.Groups, fleet.GroupID(g))
	}
	for _, r := range h.Reasons {
		f.Reasons = append(f.Reasons, event.Reason(r))
	}
	return f
}

// secret reads the secret, without the line break at its end.
func (h *Hook) secret() ([]byte, error) {
	if h.SecretFile == "" {
		return nil, errors.New("is needed")
	}
	text, err := readFile(h.SecretFile, maxSecret)
	if err != nil {
		return nil, err
	}
	text = bytes.TrimRight(text, "\r\n")
	if len(text) < leastSecret {
		return nil, fmt.Errorf("%s: a secret of %d bytes is too short; want %d or more", h.SecretFile, len(text), leastSecret)
	}
	return slices.Clone(text), nil
}

// readFile reads a file that is no larger than a limit.
func readFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s: is larger than %d bytes", name, limit)
	}
	return text, err
}
