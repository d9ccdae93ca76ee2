package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/kong/proof"
)

// Capabilities is the answer of a gateway to GET / (fact F41).
type Capabilities struct {
	KongVersion  string
	Edition      string
	Workers      int // 0: not known
	RouterFlavor string
	Plugins      map[string]string // name to version
	Vaults       []string          // the enabled ones, sorted; empty: not known
	UntrustedLua string
	BodyLimit    int64 // in bytes; 0 is no limit
	BootFile     string
}

// defaultBodyLimit is Kong's default, for gateways that do not report the limit (fact F17).
const defaultBodyLimit = 10 << 20

// Capabilities reads GET /.
func (g *Gateway) Capabilities(ctx context.Context) (Capabilities, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	text, err := g.kong.RootJSON(ctx)
	if err != nil {
		return Capabilities{}, fmt.Errorf("read the gateway's capabilities: %w", withoutURL(err))
	}
	return parseRoot(text)
}

func parseRoot(text []byte) (Capabilities, error) {
	var answer struct {
		Version string `json:"version"`
		Edition string `json:"edition"`
		PIDs    struct {
			Workers []json.Number `json:"workers"`
		} `json:"pids"`
		Plugins struct {
			Available map[string]json.RawMessage `json:"available_on_server"`
		} `json:"plugins"`
		Configuration struct {
			RouterFlavor string          `json:"router_flavor"`
			UntrustedLua string          `json:"untrusted_lua"`
			BodyLimit    json.RawMessage `json:"nginx_admin_client_max_body_size"`
			BootFile     string          `json:"declarative_config"`
			Processes    json.RawMessage `json:"nginx_worker_processes"`
			Vaults       json.RawMessage `json:"loaded_vaults"`
		} `json:"configuration"`
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Version == "" {
		return Capabilities{}, fmt.Errorf("read the gateway's capabilities: the answer is not Kong's")
	}
	c := Capabilities{
		KongVersion: answer.Version, Edition: answer.Edition, Workers: len(answer.PIDs.Workers),
		RouterFlavor: answer.Configuration.RouterFlavor, UntrustedLua: answer.Configuration.UntrustedLua,
		BootFile: answer.Configuration.BootFile, Plugins: map[string]string{}, BodyLimit: defaultBodyLimit,
	}
	if c.Workers == 0 {
		c.Workers, _ = strconv.Atoi(strings.Trim(string(answer.Configuration.Processes), `"`))
	}
	for name, raw := range answer.Plugins.Available {
		var about struct {
			Version string `json:"version"`
		}
		_ = json.Unmarshal(raw, &about) // older versions answer true here
		c.Plugins[name] = about.Version
	}
	var vaults map[string]json.RawMessage
	_ = json.Unmarshal(answer.Configuration.Vaults, &vaults) // a list when there are none
	c.Vaults = slices.Sorted(maps.Keys(vaults))
	if limit, ok := parseSize(strings.Trim(string(answer.Configuration.BodyLimit), `"`)); ok {
		c.BodyLimit = limit
	}
	return c, nil
}

// parseSize parses a size as nginx writes it.
func parseSize(text string) (int64, bool) {
	unit := int64(1)
	if last := len(text) - 1; last >= 0 {
		if at := strings.IndexByte("kmg", text[last]|0x20); at >= 0 { // of either case
			unit, text = 1<<(10*(at+1)), text[:last]
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n * unit, err == nil && n >= 0
}

// Best returns the strongest form of proof that the gateway allows. An untrusted_lua of off makes pre-function answer
// nothing at all (fact F41).
func (c Capabilities) Best() proof.Form {
	for _, form := range []proof.Form{proof.Worker, proof.Route} {
		if form == proof.Worker && c.UntrustedLua == "off" {
			continue
		}
		if !slices.ContainsFunc(form.Plugins(), func(name string) bool { _, there := c.Plugins[name]; return !there }) {
			return form
		}
	}
	return proof.None
}

// Form returns the form of proof that is wanted, nil being the best that the gateway allows.
func (c Capabilities) Form(wanted *proof.Form) proof.Form {
	if wanted != nil {
		return *wanted
	}
	return c.Best()
}

// Options returns how the reserved route must be written for this gateway (fact F42).
func (c Capabilities) Options() proof.Options {
	return proof.Options{Expressions: c.RouterFlavor == "expressions"}
}

// Fingerprint changes when the gateway may validate configurations differently.
func (c Capabilities) Fingerprint() string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s\x00%s\x00%s\x00%d", c.KongVersion, c.Edition, c.RouterFlavor, c.UntrustedLua, c.BodyLimit)
	for _, name := range slices.Sorted(maps.Keys(c.Plugins)) {
		fmt.Fprintf(h, "\x00%s %s", name, c.Plugins[name])
	}
	return strconv.FormatUint(h.Sum64(), 16)
}
