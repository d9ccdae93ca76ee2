package imports

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/silverback-gateway/silverback/cli/internal/input"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kit/tlsfiles"
	"github.com/silverback-gateway/silverback/kong/inventory"
)

// Bounds of an Admin API's responses. A flattened configuration is a JSON string there, and its escapes take space.
const (
	maxRoot    = 4 << 20
	maxConfig  = inventory.MaxText + inventory.MaxText/4
	maxRefusal = 4 << 10
	pageSize   = 1000 // Kong's largest page (fact F33)
)

// endpoint is an Admin API of Kong, or another server of configurations. Only GET requests are sent.
type endpoint struct {
	flag       string   // the prefix of its flags; empty means admin
	who        string   // who answers, in messages; empty means Kong
	served     []string // digests of what the Kong serves, when it was read in its flattened form
	address    string
	files      tlsfiles.Files
	headerFile string
	token      string // of Kong-Admin-Token
	save       string
	timeout    time.Duration // of each request

	url    *url.URL
	header http.Header
	client *http.Client
	budget int64 // bytes of entities that may still be read
}

// open checks the flags and prepares the HTTP client. Its errors hold no header.
func (k *endpoint) open() error {
	flag := cmp.Or(k.flag, "admin")
	parsed, err := url.Parse(k.address)
	if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
		return fmt.Errorf("--%s is not a URL such as http://127.0.0.1:8001", flag)
	}
	if parsed.User != nil || parsed.RawQuery != "" || parsed.Fragment != "" {
		return fmt.Errorf("--%[1]s has more than a host and a path; put secrets into --%[1]s-header-file", flag)
	}
	if parsed.Scheme == "http" && k.files != (tlsfiles.Files{}) {
		return fmt.Errorf("--%[1]s-ca-file, --%[1]s-cert-file and --%[1]s-key-file are for https addresses", flag)
	}
	if err := k.files.Check(flag+"-cert-file", flag+"-key-file", flag+"-ca-file"); err != nil {
		return err
	}
	source, err := tlsfiles.Client(k.files, nil)
	if err != nil {
		return err
	}
	trust := source.Config().Clone()
	trust.MinVersion = tls.VersionTLS12 // the newest version that some Kongs support
	k.url, k.header, k.budget = parsed, http.Header{}, input.MaxBytes
	if k.headerFile != "" {
		if k.header, err = readHeaders(k.headerFile); err != nil {
			return fmt.Errorf("--%s-header-file: %w", flag, err)
		}
	}
	if k.token != "" {
		k.header.Set("Kong-Admin-Token", k.token)
	}
	k.client = &http.Client{
		Transport: &http.Transport{TLSClientConfig: trust, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
			Proxy: http.ProxyFromEnvironment},
		// The headers must not be sent to another server.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return nil
}

// readHeaders reads lines of the form "name: value".
func readHeaders(file string) (http.Header, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	header := http.Header{}
	lines := bufio.NewScanner(io.LimitReader(f, 64<<10))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("line %d of %s is not of the form name: value", n, file)
		}
		header.Add(name, strings.TrimSpace(value))
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return header, nil
}

// refusal is a response other than 200.
type refusal struct {
	who  string
	path string
	code int
	said string
}

// Error returns the request, the response and the remedy.
func (r *refusal) Error() string {
	text := fmt.Sprintf("%s answers GET %s with %d", r.who, r.path, r.code)
	if r.said != "" {
		text += ": " + r.said
	}
	if r.code == http.StatusUnauthorized || r.code == http.StatusForbidden {
		text += "; it requires authentication: give a token with --admin-header-file or SILVERBACK_ADMIN_TOKEN"
	}
	if r.code == http.StatusNotFound && r.path == "/" {
		text += "; is this the proxy port? The Admin API has its own port, usually 8001"
	}
	return text
}

// get reads a response of at most limit bytes.
func (k *endpoint) get(ctx context.Context, path string, query url.Values, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	at := k.url.JoinPath(path)
	at.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("request to Kong: %w", err)
	}
	request.Header = k.header.Clone()
	answer, err := k.client.Do(request)
	if err != nil {
		return nil, k.unreachable(ctx, path, err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(answer.Body, maxRefusal))
		var message struct{ Message string }
		_ = json.Unmarshal(said, &message)
		return nil, &refusal{who: k.name(), path: path, code: answer.StatusCode, said: show.Clean(message.Message)}
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, limit+1))
	if err != nil {
		return nil, k.unreachable(ctx, path, err)
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("the response of %s to GET %s exceeds the limit of %d bytes", k.name(), path, limit)
	}
	return text, nil
}

func (k *endpoint) name() string { return cmp.Or(k.who, "Kong") }

// unreachable is the error of a request without an answer.
func (k *endpoint) unreachable(ctx context.Context, path string, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%s at %s did not answer GET %s within %s; --timeout sets a longer limit", k.name(), k.host(), path, k.timeout)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return fmt.Errorf("%s at %s does not answer: %w", k.name(), k.host(), err)
}

// read returns the configuration of a Kong as a document, and the ending of such a document's name. It reports its steps to the user with
// tell.
func (k *endpoint) read(ctx context.Context, tell func(format string, args ...any)) (document []byte, form string, err error) {
	root, err := k.root(ctx)
	if err != nil {
		return nil, "", err
	}
	version := show.Clean(root.Version)
	if major, err := strconv.Atoi(strings.SplitN(root.Version, ".", 2)[0]); err != nil || major < 3 {
		return nil, "", fmt.Errorf("Kong %s at %s is too old: paths had another meaning before 3.0; export a file with its own command, and "+
			"import that: silverback import file",
			version, k.host())
	}
	if root.Configuration.Database == "off" {
		tell("reading the configuration of Kong %s at %s, which runs without a database", version, k.host())
		document, err = k.flattened(ctx)
		return document, ".yaml", err
	}
	tell("reading the entities of Kong %s at %s kind by kind, because it has a database", version, k.host())
	document, err = k.entities(ctx, tell)
	return document, ".json", err
}

// root is the used part of GET /.
type root struct {
	Version       string
	Configuration struct{ Database string }
}

// root requests GET /.
func (k *endpoint) root(ctx context.Context) (root, error) {
	text, err := k.get(ctx, "/", nil, maxRoot)
	if err != nil {
		return root{}, err
	}
	var said root
	if err := json.Unmarshal(text, &said); err != nil || said.Version == "" {
		return root{}, fmt.Errorf("%s does not answer like a Kong Admin API; is this the proxy port?", k.host())
	}
	return said, nil
}

// addAdminFlags adds the flags for TLS and headers of an Admin API.
func (k *endpoint) addAdminFlags(f *pflag.FlagSet) {
	f.StringVar(&k.files.CA, "admin-ca-file", "", "PEM file of the authority that signs the Admin API's certificate; without it those of "+
		"this machine")
	f.StringVar(&k.files.Cert, "admin-cert-file", "", "PEM file of a certificate for the Admin API")
	f.StringVar(&k.files.Key, "admin-key-file", "", "PEM file of its key")
	f.StringVar(&k.headerFile, "admin-header-file", "", "file of headers for the Admin API, one a line, such as a token")
}

// flattened reads a Kong without a database (fact F8).
func (k *endpoint) flattened(ctx context.Context) ([]byte, error) {
	text, err := k.get(ctx, "/config", nil, maxConfig)
	if err != nil {
		return nil, err
	}
	var answer struct{ Config string }
	if json.Unmarshal(text, &answer) != nil {
		return nil, errors.New("the answer of Kong to GET /config is not JSON")
	}
	document, err := Document([]byte(answer.Config))
	if err != nil {
		return nil, fmt.Errorf("the configuration of Kong at %s: %w", k.host(), err)
	}
	if what, err := inventory.OfGateway([]byte(answer.Config)); err == nil {
		k.served = []string{string(what.Digest())} // it may be a gateway of the group
	}
	return document, nil
}

// saveSecret creates a file that only its owner can read. It fails when the file exists.
func saveSecret(name string, text []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("--save: %w", err)
	}
	_, err = io.Copy(f, bytes.NewReader(text))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("--save: %w", err)
	}
	return nil
}
