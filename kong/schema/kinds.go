package schema

import "slices"

// Kinds are the kinds of entities whose schemas a gateway is asked for, in the plural. One that it lacks it answers with 404, and the kind
// is not in its bundle.
func Kinds() []string { return slices.Concat(commonKinds, optionalKinds) }

// commonKinds are kinds that no Kong lacks, and tables that Kong keeps for itself.
var commonKinds = []string{
	"ca_certificates", "certificates", "clustering_data_planes", "consumers", "filter_chains", "key_sets", "keys", "parameters", "plugins",
	"routes", "services", "snis", "tags", "targets", "upstreams", "vaults", "workspaces",
}

// optionalKinds belong to plugins, which may be disabled, or to Kong Enterprise. A gateway without them refuses a configuration that has
// one of them (F19).
var optionalKinds = []string{
	"acls", "acme_storage", "ai_models", "basicauth_credentials", "cloned_plugins", "consumer_groups", "custom_plugins", "degraphql_routes",
	"graphql_ratelimiting_cost_decorations", "hmacauth_credentials", "jwt_secrets", "keyauth_credentials", "licenses", "mtls_auth_credentials",
	"oauth2_authorization_codes", "oauth2_credentials", "oauth2_tokens", "partials", "ratelimiting_metrics", "rbac_roles", "sessions",
}

// Optional reports whether a kind, in the singular, is one that a gateway may lack. What joins two entities is not among them: one of the
// two is.
func Optional(kind string) bool {
	return slices.ContainsFunc(optionalKinds, func(k string) bool { return singular(k) == kind })
}
