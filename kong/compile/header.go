package compile

import (
	"slices"

	"github.com/silverback-gateway/silverback/kong/document"
	"github.com/silverback-gateway/silverback/kong/schema"
)

// header holds the underscore keys of one document.
type header struct {
	migrate  bool // the paths are of format 1.1 or 2.1
	tags     []string
	defaults map[string]*document.Node // by kind, singular
	configs  map[string]*document.Node // shared plugin configurations

	hashed          bool // _transform: false: passwords and secrets are hashes already
	hashedPasswords bool // passwords of basic-auth are hashes: skip_hash_for_basic_auth
}

// merged are the settings on which all documents of a source must agree.
type merged struct {
	major     byte
	workspace *string
	plane     *string
}

var unsupportedKinds = []string{
	"acme_storage", "admins", "audit_objects", "audit_requests", "clustering_data_planes", "clustering_rpc_requests",
	"clustering_sync_delta", "clustering_sync_version", "credentials", "document_objects", "event_hooks", "files", "groups",
	"group_rbac_roles", "keyring_meta", "legacy_files", "login_attempts", "oauth2_authorization_codes", "oauth2_tokens",
	"parameters", "ratelimiting_metrics", "rbac_role_endpoints", "rbac_role_entities", "rbac_user_roles", "rbac_users",
	"rl_counters", "service_packages", "sessions", "sm_vaults", "tags", "workspace_entity_counters", "workspaces",
}

// root reads one document.
func (p *parser) root(root *document.Node) {
	none := subject{}
	if root.Kind != document.Map {
		p.miss(everything)
		p.problem(none, root.Pos, "", Syntax, "a configuration is a map, not %s", root.Kind)
		return
	}
	if len(root.Keys) == 0 {
		p.problem(none, root.Pos, "", Empty, "the document holds no configuration")
		return
	}
	p.header = header{}
	if !p.version(root) {
		return
	}
	p.readHeader(root)
	for _, key := range root.Keys {
		if key.Name != "" && key.Name[0] == '_' {
			continue
		}
		if key.Name == "custom_entities" {
			p.customEntities(key)
			continue
		}
		kind := p.table.Kind(key.Name)
		if key.Name == "consumer_group_plugins" { // the flat form of plugins nested in consumer groups
			kind = p.table.Kind("plugins")
		}
		switch {
		case kind != nil:
			p.list(kind, key.Value, key.Name, nil)
		case slices.Contains(unsupportedKinds, key.Name):
			p.problem(none, key.Pos, "", Unsupported, "entities of the kind %s are not supported in a file", quote(key.Name))
		default:
			names := []string{"_format_version", "custom_entities"}
			for _, k := range p.table.Kinds() {
				names = append(names, k.Name)
			}
			if near := nearest(key.Name, names); near != "" {
				p.miss(near)
			}
			p.problem(none, key.Pos, "", UnknownField, "unknown key %s at the top level%s", quote(key.Name), didYouMean(key.Name, names))
		}
	}
}

// version reads _format_version. As in decK, it may be missing.
func (p *parser) version(root *document.Node) bool {
	n := root.Get("_format_version")
	const remedy = `write _format_version: "3.0"`
	if n == nil {
		if !slices.ContainsFunc(root.Keys, func(k document.Key) bool { return k.Name != "" && k.Name[0] != '_' }) {
			p.problem(subject{}, root.Pos, "_format_version", Empty, "the document holds no configuration; for an empty one "+remedy)
			return false
		}
		p.warn(subject{}, root.Pos, "_format_version", Version, "the version is missing and taken to be 3.0; "+remedy)
		return p.major(root, '3')
	}
	if n.Kind != document.String {
		p.problem(subject{}, n.Pos, "_format_version", Version, "the version must be a string, not %s; %s, in quotes", n.Kind, remedy)
		return true // for the other problems
	}
	switch n.Text {
	case "1.1", "2.1":
		p.header.migrate = true
	case "3.0":
	default:
		p.problem(subject{}, n.Pos, "_format_version", Version, "Kong takes the versions 1.1, 2.1 and 3.0, not %s; %s", quote(n.Text), remedy)
		if n.Text == "" {
			return true
		}
	}
	return p.major(n, n.Text[0])
}

func (p *parser) major(n *document.Node, major byte) bool {
	if p.seen.major == 0 {
		p.seen.major = major
	}
	if p.seen.major != major {
		p.problem(subject{}, n.Pos, "_format_version", Version,
			"format %c cannot be merged with format %c of another document of this source", major, p.seen.major)
	}
	return true
}

var headerKeys = []string{
	"_format_version", "_transform", "_comment", "_ignore", "_info", "_konnect", "_workspace", "_plugin_configs",
}

func (p *parser) readHeader(root *document.Node) {
	none := subject{}
	for _, key := range root.Keys {
		n := key.Value
		switch key.Name {
		case "_transform":
			p.header.hashed = p.is(document.Bool, n, key.Name, "a boolean") && n.Text == "false"
		case "_comment":
			p.is(document.String, n, key.Name, "a string")
		case "_ignore":
			p.is(document.List, n, key.Name, "a list")
		case "_workspace":
			p.same(&p.seen.workspace, n, key.Name, "workspace")
		case "_konnect":
			p.konnect(n)
		case "_info":
			p.info(n)
		case "_plugin_configs":
			p.pluginConfigs(n)
		default:
			if key.Name != "" && key.Name[0] == '_' && key.Name != "_format_version" {
				p.problem(none, key.Pos, "", UnknownField, "unknown key %s at the top level%s", quote(key.Name), didYouMean(key.Name, headerKeys))
			}
		}
	}
}

// is reports whether a value has a kind. A value of another kind is a problem, unless it is null.
func (p *parser) is(kind document.Kind, n *document.Node, field, want string) bool {
	if n.Kind != kind && n.Kind != document.Null {
		p.wrongType(subject{}, n, field, want)
	}
	return n.Kind == kind
}

// same refuses documents of one source with different owners.
func (p *parser) same(have **string, n *document.Node, field, what string) {
	if !p.is(document.String, n, field, "a string") {
		return
	}
	if *have != nil && **have != n.Text {
		p.problem(subject{}, n.Pos, field, Conflict, "documents of two different %ss cannot be merged", what)
	}
	*have = &n.Text
}

func (p *parser) konnect(n *document.Node) {
	if !p.is(document.Map, n, "_konnect", "a map") {
		return
	}
	for _, key := range n.Keys {
		switch key.Name {
		case "control_plane_name", "runtime_group_name":
			p.same(&p.seen.plane, key.Value, "_konnect."+key.Name, "control plane")
		case "control_plane_id", "kong_konnect_addr", "konnect_address":
		default:
			p.problem(subject{}, key.Pos, "_konnect", UnknownField, "unknown field %s", quote(key.Name))
		}
	}
}

func (p *parser) info(n *document.Node) {
	none := subject{}
	if !p.is(document.Map, n, "_info", "a map") {
		return
	}
	known := []string{"select_tags", "defaults", "default_lookup_tags", "skip_hash_for_basic_auth", "include_plugin_definitions"}
	for _, key := range n.Keys {
		v := key.Value
		switch key.Name {
		case "select_tags":
			if p.is(document.List, v, "_info.select_tags", "a list") {
				p.selectTags(v.Items)
			}
		case "defaults":
			p.defaults(v)
		case "default_lookup_tags":
			// Entities of other sources are found by name, whatever their tags.
		case "skip_hash_for_basic_auth":
			if v.Kind != document.Bool {
				p.wrongType(none, v, "_info."+key.Name, "a boolean")
			}
			p.header.hashedPasswords = v.Text == "true"
		case "include_plugin_definitions":
		default:
			p.problem(none, key.Pos, "_info", UnknownField, "unknown field %s%s", quote(key.Name), didYouMean(key.Name, known))
		}
	}
}

func (p *parser) selectTags(tags []*document.Node) {
	for _, tag := range tags {
		if tag.Kind != document.String {
			p.wrongType(subject{}, tag, "_info.select_tags", "a string")
		} else if why := schema.ValueRule("services", "tags[]")(tag.Text); why != "" {
			p.problem(subject{}, tag.Pos, "_info.select_tags", BadValue, "%s", why)
		} else {
			p.header.tags = append(p.header.tags, tag.Text)
		}
	}
}

func (p *parser) defaults(n *document.Node) {
	if !p.is(document.Map, n, "_info.defaults", "a map") {
		return
	}
	p.header.defaults = map[string]*document.Node{}
	var names []string
	for _, k := range p.table.Kinds() {
		names = append(names, k.Singular)
	}
	for _, key := range n.Keys {
		if !slices.Contains(names, key.Name) {
			// decK ignores these silently.
			p.warn(subject{}, key.Pos, "_info.defaults", UnknownField, "unknown kind %s has no effect%s", quote(key.Name),
				didYouMean(key.Name, names))
			continue
		}
		if p.is(document.Map, key.Value, "_info.defaults."+key.Name, "a map") {
			p.header.defaults[key.Name] = key.Value
		}
	}
}

func (p *parser) pluginConfigs(n *document.Node) {
	if !p.is(document.Map, n, "_plugin_configs", "a map") {
		return
	}
	p.header.configs = map[string]*document.Node{}
	for _, key := range n.Keys {
		if key.Value.Kind != document.Map {
			p.wrongType(subject{}, key.Value, "_plugin_configs."+printable(key.Name), "a map")
			continue
		}
		p.header.configs[key.Name] = key.Value
	}
}
