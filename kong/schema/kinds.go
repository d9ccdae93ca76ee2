package schema

import "slices"

// Kinds lists the kinds of entities for whose schemas a gateway is asked, in the plural. A gateway answers 404 for a kind that it lacks,
// and its bundle then lacks the kind.
func Kinds() []string { return slices.Concat(commonKinds, optionalKinds) }

// commonKinds are kinds that every Kong has, and tables for Kong's own use.
var commonKinds = []string{
	"ca_certificates", "certificates", "clustering_data_planes", "consumers", "filter_chains", "key_sets", "keys", "parameters", "plugins",
	"routes", "services", "snis", "tags", "targets", "upstreams", "vaults", "workspaces",
}

// optionalKinds belong to plugins, which may be disabled, or to Kong Enterprise. A gateway that lacks one refuses a configuration with such
// an entity (F19).
var optionalKinds = []string{
	"acls", "acme_storage", "ai_models", "basicauth_credentials", "cloned_plugins", "consumer_groups", "custom_plugins", "degraphql_routes",
	"graphql_ratelimiting_cost_decorations", "hmacauth_credentials", "jwt_secrets", "keyauth_credentials", "licenses", "mtls_auth_credentials",
	"oauth2_authorization_codes", "oauth2_credentials", "oauth2_tokens", "partials", "ratelimiting_metrics", "rbac_roles", "sessions",
}

// UnknownKind is what is wrong with an entity of a kind that a gateway lacks.
const UnknownKind = "the gateway knows no entities of this kind; take them out"

// Optional reports whether a gateway may lack a kind, given in the singular. Kinds that join two entities are not included: one of the two
// kinds is.
func Optional(kind string) bool {
	return slices.ContainsFunc(optionalKinds, func(k string) bool { return singular(k) == kind })
}
