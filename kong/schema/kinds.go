package schema

import "slices"

// Kinds are the kinds of entities whose schemas a gateway is asked for, in the plural. One that it lacks it answers with 404, and the kind
// is not in its bundle.
func Kinds() []string { return slices.Concat(everyKong, someKongs) }

// everyKong are kinds that no Kong lacks, and tables that Kong keeps for itself.
var everyKong = []string{
	"ca_certificates", "certificates", "clustering_data_planes", "consumers", "filter_chains", "key_sets", "keys", "parameters", "plugins",
	"routes", "services", "snis", "tags", "targets", "upstreams", "vaults", "workspaces",
}

// someKongs are kinds of plugins, which may not be enabled, and of Kong's Enterprise edition, of which the open-source one knows none: it
// refuses a configuration with them whole (F19).
var someKongs = []string{
	"acls", "acme_storage", "ai_models", "basicauth_credentials", "cloned_plugins", "consumer_groups", "custom_plugins", "degraphql_routes",
	"graphql_ratelimiting_cost_decorations", "hmacauth_credentials", "jwt_secrets", "keyauth_credentials", "licenses", "mtls_auth_credentials",
	"oauth2_authorization_codes", "oauth2_credentials", "oauth2_tokens", "partials", "ratelimiting_metrics", "rbac_roles", "sessions",
}

// Optional reports whether a kind, in the singular, is one that a gateway may lack. What joins two entities is not among them: one of the
// two is.
func Optional(kind string) bool {
	return slices.ContainsFunc(someKongs, func(k string) bool { return singular(k) == kind })
}
