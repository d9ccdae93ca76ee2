package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/silverback-gateway/silverback/kit/fleet"
)

// MaxSize is the largest size of a bundle in bytes, canonical or as given. A Kong with all its bundled plugins has about 300 KB.
const MaxSize = 4 << 20

// Errors that callers may match.
var (
	// ErrBundle means that texts or bytes are not a bundle of schemas.
	ErrBundle = errors.New("not a bundle of schemas")
	// ErrTooLarge means that a bundle is over MaxSize. It is an ErrBundle as well.
	ErrTooLarge = fmt.Errorf("%w: larger than %d bytes", ErrBundle, MaxSize)
)

// Texts are the bodies of a gateway's answers to GET /schemas/..., by name.
type Texts struct {
	KongVersion string                     // such as 3.9.3, from GET /
	Entities    map[string]json.RawMessage // /schemas/{kind}, by the kind's plural, such as "routes"
	Plugins     map[string]json.RawMessage // /schemas/plugins/{name}
	Vaults      map[string]json.RawMessage // /schemas/vaults/{name}
}

// Bundle is the schemas of one Kong version with one set of plugins, ready to
// check entities against. It is immutable and safe for concurrent use.
type Bundle struct {
	version    string
	canonical  []byte
	digest     fleet.Digest
	rules      fleet.Digest
	normalized []byte             // canonical without what an older agent left in it; nil when there is nothing of that
	kinds      map[string]*record // by singular
	plugins    map[string]*record // whole plugin entities, by the plugin's name
	vaults     map[string]*record
}

// New returns the bundle of the texts that a gateway sent. It keeps none of the texts. The error is an ErrBundle.
func New(texts Texts) (*Bundle, error) {
	size := 0
	doc := object{"kong_version": texts.KongVersion}
	for section, named := range map[string]map[string]json.RawMessage{"entities": texts.Entities, "plugins": texts.Plugins,
		"vaults": texts.Vaults} {
		part := object{}
		for name, text := range named {
			if size += len(text); size > MaxSize {
				return nil, ErrTooLarge
			}
			value, err := parse(text)
			if err != nil {
				return nil, fmt.Errorf("%w: %s: %s: %w", ErrBundle, section, name, err)
			}
			part[name] = value
		}
		doc[section] = part
	}
	return build(doc)
}

// Decode reads canonical bytes: JSON with sorted keys and without blanks. It refuses any others. Bytes that an older agent wrote may have
// more in them than New would keep. They are kept unchanged; Rules finds bundles with the same rules. The error is an ErrBundle.
func Decode(canonical []byte) (*Bundle, error) {
	if len(canonical) > MaxSize {
		return nil, ErrTooLarge
	}
	value, err := parse(canonical)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBundle, err)
	}
	doc, ok := value.(object)
	if !ok {
		return nil, fmt.Errorf("%w: not an object", ErrBundle)
	}
	if string(appendCanonical(nil, doc)) != string(canonical) {
		return nil, fmt.Errorf("%w: the bytes are not canonical", ErrBundle)
	}
	b, err := build(doc)
	if err != nil {
		return nil, err
	}
	if b.digest = fleet.DigestOf(canonical); b.digest != b.rules {
		b.canonical, b.normalized = canonical, b.canonical
	}
	return b, nil
}

func build(doc object) (*Bundle, error) {
	b := &Bundle{kinds: map[string]*record{}, plugins: map[string]*record{}, vaults: map[string]*record{}}
	sections := map[string]object{}
	for name, value := range doc {
		var ok bool
		switch name {
		case "kong_version":
			b.version, ok = value.(string)
		case "entities", "plugins", "vaults":
			sections[name], ok = value.(object)
		}
		if !ok {
			return nil, fmt.Errorf("%w: unexpected %q", ErrBundle, name)
		}
	}
	if len(doc) != 4 {
		return nil, fmt.Errorf("%w: a part is missing", ErrBundle)
	}
	for _, section := range sections {
		for _, schema := range section {
			normalize(schema)
		}
	}
	b.canonical = appendCanonical(nil, doc)
	if len(b.canonical) > MaxSize {
		return nil, ErrTooLarge
	}
	b.digest = fleet.DigestOf(b.canonical)
	b.rules = b.digest
	left := maxWork
	for name, value := range sections["entities"] {
		r, err := compileEntity(name, value, &left)
		if err != nil {
			return nil, fmt.Errorf("%w: entities: %s: %w", ErrBundle, name, err)
		}
		b.kinds[singular(name)] = r
	}
	for section, into := range map[string]map[string]*record{"plugins": b.plugins, "vaults": b.vaults} {
		for name, value := range sections[section] {
			r, err := compileSub(section, name, sections["entities"][section], value, &left)
			if err != nil {
				return nil, fmt.Errorf("%w: %s: %s: %w", ErrBundle, section, name, err)
			}
			into[name] = r
		}
	}
	return b, nil
}

// singular returns Kong's singular name of a kind, as in its errors.
func singular(kind string) string { return strings.TrimSuffix(kind, "s") }

// Encode returns the canonical bytes, which the caller must not change: JSON with sorted keys, without descriptions, with lists sorted
// where order has no meaning, and without the values that Kong generates, which differ from one start to the next (F44).
func (b *Bundle) Encode() []byte { return b.canonical }

// Digest identifies the bundle by its canonical bytes.
func (b *Bundle) Digest() fleet.Digest { return b.digest }

// Rules identifies the bundle by its rules alone. Bundles with the same rules give the same verdicts; they differ at most in what older
// agents left in them.
func (b *Bundle) Rules() fleet.Digest { return b.rules }

// Normalized returns the bundle as New would have made it: the same rules, without values that a gateway generated. Its digest equals Rules
// of both.
func (b *Bundle) Normalized() *Bundle {
	if b.normalized == nil {
		return b
	}
	t := *b
	t.canonical, t.digest, t.normalized = b.normalized, b.rules, nil
	return &t
}

// KongVersion returns the version that the gateway reported.
func (b *Bundle) KongVersion() string { return b.version }

// Knows reports whether the bundle describes a kind, given in the singular. A bundle lacks kinds for which the gateway was not asked.
func (b *Bundle) Knows(kind string) bool { return b.kinds[kind] != nil }

// Plugins returns the names of the plugins that the gateway has, sorted.
func (b *Bundle) Plugins() []string { return slices.Sorted(maps.Keys(b.plugins)) }

// HasPlugin reports whether the gateway has a plugin.
func (b *Bundle) HasPlugin(name string) bool { return b.plugins[name] != nil }

// HasVault reports whether the gateway has a kind of vault.
func (b *Bundle) HasVault(name string) bool { return b.vaults[name] != nil }

// HasField reports whether entities of a kind, given in the singular, have a field. For example, a route has an expression only under the
// router flavor of that name.
func (b *Bundle) HasField(kind, field string) bool {
	k := b.kinds[kind]
	return k != nil && k.fields[field] != nil
}
