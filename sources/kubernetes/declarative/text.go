package declarative

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"sigs.k8s.io/yaml"
)

// StubUpstream is the upstream that stands in an otherwise empty configuration: Kong without a database never becomes ready with none.
const StubUpstream = "kong"

// MarshalJSON adds the custom entities beside the others.
func (c Config) MarshalJSON() ([]byte, error) {
	type plain Config
	text, err := marshal(plain(c))
	if err != nil || len(c.Custom) == 0 {
		return text, err
	}
	var out bytes.Buffer
	out.Write(text[:len(text)-1])
	for _, kind := range slices.Sorted(maps.Keys(c.Custom)) {
		name, err := marshal(kind)
		if err != nil {
			return nil, err
		}
		entities, err := marshal(c.Custom[kind])
		if err != nil {
			return nil, fmt.Errorf("entities of kind %s: %w", kind, err)
		}
		out.WriteByte(',')
		out.Write(name)
		out.WriteByte(':')
		out.Write(entities)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// marshal is json.Marshal that leaves the characters of HTML as they are.
func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// YAML is the configuration as text, with its keys in alphabetical order.
func (c Config) YAML() ([]byte, error) {
	text, err := marshal(c)
	if err != nil {
		return nil, err
	}
	return yaml.JSONToYAML(text)
}

// Stub says whether there is nothing but the stub of an empty configuration.
func (c Config) Stub() bool {
	rest := c
	rest.Upstreams = nil
	return rest.Empty() && len(c.Upstreams) == 1 && c.Upstreams[0].Name == StubUpstream && len(c.Upstreams[0].Targets) == 0
}

// Empty says whether there is nothing in the configuration.
func (c Config) Empty() bool {
	return len(c.Services)+len(c.Upstreams)+len(c.Plugins)+len(c.Consumers)+len(c.ConsumerGroups)+len(c.Memberships)+
		len(c.Certificates)+len(c.CACertificates)+len(c.Vaults)+len(c.Custom) == 0
}
