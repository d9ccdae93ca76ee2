package schema

import "strings"

// What Kong keeps in functions of its Lua, which /schemas cannot show, by the
// place in the schema: kind:path, or plugins/name:path for a plugin's own fields;
// [] stands for the elements of a list, <k> and <v> for the keys and values of a
// map, and a star for every kind.

// textChecks look at one string and say what is wrong with it, or nothing.
var textChecks = map[string]func(string) string{
	"*:tags[]":                                               tag,
	"services:name":                                          name,
	"services:host":                                          host,
	"services:path":                                          path,
	"routes:name":                                            name,
	"routes:hosts[]":                                         hostWithPort,
	"routes:paths[]":                                         RoutePath,
	"routes:headers<k>":                                      headerName,
	"routes:snis[]":                                          wildcardSNI,
	"routes:sources[].ip":                                    network,
	"routes:destinations[].ip":                               network,
	"workspaces:name":                                        name,
	"filter_chains:name":                                     name,
	"plugins:instance_name":                                  name,
	"upstreams:name":                                         upstreamName,
	"upstreams:host_header":                                  hostWithPort,
	"upstreams:hash_on_header":                               headerName,
	"upstreams:hash_fallback_header":                         headerName,
	"upstreams:hash_on_cookie_path":                          path,
	"upstreams:healthchecks.active.http_path":                path,
	"upstreams:healthchecks.active.https_sni":                wildcardSNI,
	"upstreams:healthchecks.active.headers<k>":               headerName,
	"targets:target":                                         target,
	"snis:name":                                              wildcardSNI,
	"certificates:snis[]":                                    wildcardSNI,
	"certificates:cert":                                      certificate,
	"certificates:cert_alt":                                  certificate,
	"certificates:key":                                       privateKey,
	"certificates:key_alt":                                   privateKey,
	"ca_certificates:cert":                                   certificate,
	"jwt_secrets:rsa_public_key":                             anyKey,
	"oauth2_credentials:redirect_uris[]":                     redirectURI,
	"plugins/acme:config.api_uri":                            url,
	"plugins/acme:config.domains[]":                          hostWithPort,
	"plugins/acme:config.storage_config.redis.host":          host,
	"plugins/acme:config.storage_config.consul.host":         host,
	"plugins/acme:config.storage_config.vault.host":          host,
	"plugins/aws-lambda:config.aws_sts_endpoint_url":         url,
	"plugins/aws-lambda:config.proxy_url":                    url,
	"plugins/aws-lambda:config.host":                         host,
	"plugins/cors:config.origins[]":                          regexOrStar,
	"plugins/datadog:config.host":                            host,
	"plugins/http-log:config.http_endpoint":                  url,
	"plugins/http-log:config.headers<k>":                     headerName,
	"plugins/ip-restriction:config.allow[]":                  network,
	"plugins/ip-restriction:config.deny[]":                   network,
	"plugins/key-auth:config.key_names[]":                    headerName,
	"plugins/ldap-auth:config.ldap_host":                     host,
	"plugins/loggly:config.host":                             host,
	"plugins/opentelemetry:config.endpoint":                  url,
	"plugins/opentelemetry:config.traces_endpoint":           url,
	"plugins/opentelemetry:config.logs_endpoint":             url,
	"plugins/opentelemetry:config.headers<k>":                headerName,
	"plugins/rate-limiting:config.header_name":               headerName,
	"plugins/rate-limiting:config.path":                      path,
	"plugins/rate-limiting:config.redis.host":                host,
	"plugins/request-termination:config.trigger":             headerName,
	"plugins/response-ratelimiting:config.redis.host":        host,
	"plugins/udp-log:config.host":                            host,
	"plugins/zipkin:config.http_endpoint":                    url,
	"plugins/rate-limiting:config.redis.server_name":         wildcardSNI,
	"plugins/response-ratelimiting:config.redis.server_name": wildcardSNI,
}

// recordChecks look at a whole record after its fields, wherever it stands.
var recordChecks = map[string]entityCheck{
	"keys:pem":                     keyPair,
	"plugins/oauth2:config":        oauth2Flow,
	"plugins/rate-limiting:config": limitOrder,
	"plugins/response-ratelimiting:config.limits<v>": limitOrder,
	"plugins/request-termination:config":             terminationBody,
}

// wholeChecks look at whole entities of a kind.
var wholeChecks = map[string]entityCheck{
	"routes": routeProtocols,
}

// customChecks are the checks that schemas name as custom, by kind and the fields
// that these name.
var customChecks = map[string]entityCheck{
	"certificates:cert,key":         pairs("cert", "key"),
	"certificates:cert_alt,key_alt": pairs("cert_alt", "key_alt"),
	"ca_certificates:cert":          authority,
	"keys:jwk,pem,kid":              jsonWebKey,
	"filter_chains:filters":         filters,
	"routes:id,protocols,snis,sources,destinations,methods,hosts,paths,headers,expression,regex_priority,priority": routeExpression,
}

// known returns what is known of a string field beyond its schema, or nil.
func (c compiler) known(path string) func(string) string {
	if check := textChecks[c.name+":"+path]; check != nil {
		return check
	}
	if kind, _, sub := strings.Cut(c.name, "/"); sub {
		if check := textChecks[kind+":"+path]; check != nil {
			return check
		}
	}
	return textChecks["*:"+path]
}

// addKnown adds what is known of whole entities of a kind beyond their schema.
func (c compiler) addKnown(r *record) {
	if check := wholeChecks[c.name]; check != nil {
		r.checks = append([]entityCheck{check}, r.checks...)
	}
	if c.name == "services" {
		addURL(r)
	}
}
