package imports

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/silverback-gateway/silverback/cli/internal/app"
	"github.com/silverback-gateway/silverback/cli/internal/show"
	"github.com/silverback-gateway/silverback/kong/parity"
	"github.com/silverback-gateway/silverback/kong/schema"
)

// Paths of the controller's diagnostics server.
const (
	lastSent    = "/debug/config/successful"
	fallbackNow = "/debug/config/fallback"
)

const (
	maxFallback = 1 << 20
	namedBroken = 5
)

// foreign is the current configuration of a cluster.
type foreign struct {
	config  *parity.Configuration
	schemas *schema.Bundle // nil: none
	from    string         // the origin, for people
}

// theirs reads the current configuration of a cluster. A dump takes precedence over a gateway.
func (m *move) theirs(ctx context.Context, a *app.App) (*foreign, error) {
	found := &foreign{}
	text, name, err := m.fetchDump(ctx, a, found)
	if err != nil {
		return nil, err
	}
	if m.admin.address != "" {
		served, err := m.fetchServed(ctx, found, text == nil)
		if err != nil {
			return nil, err
		}
		if text == nil {
			text, name = served, "config.json"
		}
	}
	if found.config, err = parity.Read(name, text); err != nil {
		return nil, fmt.Errorf("%s: %w", found.from, err)
	}
	if m.admin.address != "" {
		found.schemas, err = m.admin.pluginSchemas(ctx, found.config.Plugins())
	}
	return found, err
}

// fetchDump reads the source of --dump; nil without the flag.
func (m *move) fetchDump(ctx context.Context, a *app.App, found *foreign) (text []byte, name string, err error) {
	switch {
	case m.dumpAddress == "":
		return nil, "", nil
	case !strings.Contains(m.dumpAddress, "://"):
		found.from = m.dumpAddress
		text, err = readBounded(m.dumpAddress)
		return text, m.dumpAddress, err
	}
	m.dump.address = m.dumpAddress
	if err := m.dump.open(); err != nil {
		return nil, "", err
	}
	path := ""
	if m.dump.url.Path == "" || m.dump.url.Path == "/" {
		path = lastSent
		m.warnOfFallback(ctx, a)
	}
	found.from = "what " + controller + " at " + m.dump.host() + " sent last"
	text, err = m.dump.get(ctx, path, nil, maxConfig)
	return text, "dump.json", explainDump(err)
}

// readBounded reads a file up to the limit of a response.
func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("--dump: %w", err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("--dump: %w", err)
	}
	if len(text) > maxConfig {
		return nil, fmt.Errorf("--dump: %s exceeds the limit of %d bytes", name, maxConfig)
	}
	return text, nil
}

// explainDump returns the meaning of a response other than a dump.
func explainDump(err error) error {
	var refused *refusal
	if !errors.As(err, &refused) {
		return err
	}
	switch refused.code {
	case http.StatusNotFound:
		return fmt.Errorf("%w; does it run with --dump-config?", err)
	case http.StatusNoContent:
		return fmt.Errorf("%w: the controller has not sent a configuration that a gateway accepted yet", err)
	}
	return err
}

// warnOfFallback warns when the controller omits broken objects from its configuration. Versions without that feature have no response.
func (m *move) warnOfFallback(ctx context.Context, a *app.App) {
	text, err := m.dump.get(ctx, fallbackNow, nil, maxFallback)
	var said struct {
		Status        string
		BrokenObjects []struct{ Kind, Namespace, Name string }
	}
	if err != nil || json.Unmarshal(text, &said) != nil || said.Status != "triggered" {
		return
	}
	var names []string
	for i, o := range said.BrokenObjects {
		if i == namedBroken {
			names = append(names, fmt.Sprintf("%d more", len(said.BrokenObjects)-i))
			break
		}
		names = append(names, parity.Object{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}.String())
	}
	fmt.Fprintf(a.Err, "warning: the controller sends a fallback configuration, which omits what depends on %s\n",
		show.Clean(strings.Join(names, ", ")))
}

// fetchServed reads GET / of a gateway and, if wanted, its configuration.
func (m *move) fetchServed(ctx context.Context, found *foreign, wanted bool) ([]byte, error) {
	if err := m.admin.open(); err != nil {
		return nil, err
	}
	said, err := m.admin.root(ctx)
	if err != nil || !wanted {
		return nil, err
	}
	if said.Configuration.Database != "off" {
		return nil, fmt.Errorf("the gateway at %s has a database: run the controller with --dump-config, and give its dump with --dump",
			m.admin.host())
	}
	found.from = "the configuration of the gateway at " + m.admin.host()
	return m.admin.get(ctx, "/config", nil, maxConfig)
}

// pluginSchemas reads the schemas of some plugins. A plugin that the gateway does not know has none.
func (k *endpoint) pluginSchemas(ctx context.Context, names []string) (*schema.Bundle, error) {
	texts := schema.Texts{Entities: map[string]json.RawMessage{}, Plugins: map[string]json.RawMessage{}, Vaults: map[string]json.RawMessage{}}
	for _, name := range names {
		if schema.Name(name) != "" {
			continue
		}
		text, err := k.get(ctx, "/schemas/plugins/"+name, nil, schema.MaxSize)
		var refused *refusal
		if errors.As(err, &refused) && refused.code == http.StatusNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		texts.Plugins[name] = text
	}
	bundle, err := schema.New(texts)
	if err != nil {
		return nil, fmt.Errorf("the schemas of the gateway at %s: %w", k.host(), err)
	}
	return bundle, nil
}
