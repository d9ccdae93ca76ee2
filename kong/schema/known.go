package schema

import "strings"

// Rules that Kong implements in Lua functions, which /schemas does not show, by their place in the schema: kind:path, or plugins/name:path
// for a plugin's own fields. [] stands for the elements of a list, <k> and <v> for the keys and values of a map, and a star for every kind.

// textChecks check one string. They return what is wrong, or an empty string.
var textChecks = map[string]func(string) string{
	"*:tags[]":                                                              Tag,
	"services:name":                                                         Name,
	"services:host":                                                         Host,
	"services:path":                                                         path,
	"routes:name":                                                           Name,
	"routes:hosts[]":                                                        hostWithWildcards,
	"routes:paths[]":                                                        RoutePath,
	"routes:headers<k>":                                                     headerName,
	"routes:snis[]":                                                         WildcardSNI,
	"routes:sources[].ip":                                                   network,
	"routes:destinations[].ip":                                              network,
	"workspaces:name":                                                       Name,
	"filter_chains:name":                                                    Name,
	"plugins:instance_name":                                                 Name,
	"upstreams:name":                                                        UpstreamName,
	"upstreams:host_header":                                                 HostWithPort,
	"upstreams:hash_on_header":                                              headerName,
	"upstreams:hash_fallback_header":                                        headerName,
	"upstreams:hash_on_cookie":                                              CookieName,
	"upstreams:hash_on_cookie_path":                                         path,
	"upstreams:healthchecks.active.http_path":                               path,
	"upstreams:healthchecks.active.https_sni":                               serverName,
	"upstreams:healthchecks.active.headers<k>":                              headerName,
	"targets:target":                                                        Target,
	"snis:name":                                                             WildcardSNI,
	"certificates:snis[]":                                                   WildcardSNI,
	"certificates:cert":                                                     certificate,
	"certificates:cert_alt":                                                 certificate,
	"certificates:key":                                                      privateKey,
	"certificates:key_alt":                                                  privateKey,
	"ca_certificates:cert":                                                  certificate,
	"oauth2_credentials:redirect_uris[]":                                    redirectURI,
	"plugins/acme:config.api_uri":                                           url,
	"plugins/acme:config.domains[]":                                         hostWithWildcards,
	"plugins/acme:config.storage_config.redis.host":                         Host,
	"plugins/acme:config.storage_config.consul.host":                        Host,
	"plugins/acme:config.storage_config.vault.host":                         Host,
	"plugins/aws-lambda:config.aws_sts_endpoint_url":                        url,
	"plugins/aws-lambda:config.proxy_url":                                   url,
	"plugins/aws-lambda:config.host":                                        Host,
	"plugins/cors:config.origins[]":                                         regexOrStar,
	"plugins/datadog:config.host":                                           Host,
	"plugins/http-log:config.http_endpoint":                                 url,
	"plugins/http-log:config.headers<k>":                                    headerName,
	"plugins/ip-restriction:config.allow[]":                                 network,
	"plugins/ip-restriction:config.deny[]":                                  network,
	"plugins/key-auth:config.key_names[]":                                   headerName,
	"plugins/ldap-auth:config.ldap_host":                                    Host,
	"plugins/loggly:config.host":                                            Host,
	"plugins/opentelemetry:config.endpoint":                                 url,
	"plugins/opentelemetry:config.traces_endpoint":                          url,
	"plugins/opentelemetry:config.logs_endpoint":                            url,
	"plugins/opentelemetry:config.headers<k>":                               headerName,
	"plugins/rate-limiting:config.header_name":                              headerName,
	"plugins/rate-limiting:config.path":                                     path,
	"plugins/rate-limiting:config.redis.host":                               Host,
	"plugins/request-termination:config.trigger":                            headerName,
	"plugins/response-ratelimiting:config.redis.host":                       Host,
	"plugins/udp-log:config.host":                                           Host,
	"plugins/pre-function:config.certificate[]":                             luaChunk,
	"plugins/pre-function:config.rewrite[]":                                 luaChunk,
	"plugins/pre-function:config.access[]":                                  luaChunk,
	"plugins/pre-function:config.header_filter[]":                           luaChunk,
	"plugins/pre-function:config.body_filter[]":                             luaChunk,
	"plugins/pre-function:config.log[]":                                     luaChunk,
	"plugins/post-function:config.certificate[]":                            luaChunk,
	"plugins/post-function:config.rewrite[]":                                luaChunk,
	"plugins/post-function:config.access[]":                                 luaChunk,
	"plugins/post-function:config.header_filter[]":                          luaChunk,
	"plugins/post-function:config.body_filter[]":                            luaChunk,
	"plugins/post-function:config.log[]":                                    luaChunk,
	"plugins/file-log:config.custom_fields_by_lua<v>":                       luaChunk,
	"plugins/http-log:config.custom_fields_by_lua<v>":                       luaChunk,
	"plugins/loggly:config.custom_fields_by_lua<v>":                         luaChunk,
	"plugins/syslog:config.custom_fields_by_lua<v>":                         luaChunk,
	"plugins/tcp-log:config.custom_fields_by_lua<v>":                        luaChunk,
	"plugins/udp-log:config.custom_fields_by_lua<v>":                        luaChunk,
	"plugins/ai-request-transformer:config.http_proxy_host":                 Host,
	"plugins/ai-request-transformer:config.https_proxy_host":                Host,
	"plugins/ai-request-transformer:config.llm.model.options.upstream_url":  url,
	"plugins/ai-response-transformer:config.http_proxy_host":                Host,
	"plugins/ai-response-transformer:config.https_proxy_host":               Host,
	"plugins/ai-response-transformer:config.llm.model.options.upstream_url": url,
	"plugins/ai-proxy:config.model.options.upstream_url":                    url,
	"plugins/aws-lambda:config.aws_region":                                  Host,
	"plugins/redirect:config.location":                                      url,
	"plugins/statsd:config.host":                                            Host,
	"plugins/tcp-log:config.host":                                           Host,
	"plugins/acme:config.storage_config.redis.server_name":                  serverName,
	"plugins/acme:config.storage_config.redis.extra_options.namespace":      acmeNamespace,
	"plugins/zipkin:config.propagation.clear[]":                             headerName,
	"plugins/opentelemetry:config.propagation.clear[]":                      headerName,
	"plugins/request-transformer:config.rename.body[]":                      transformed,
	"plugins/request-transformer:config.rename.querystring[]":               transformed,
	"plugins/request-transformer:config.rename.headers[]":                   renamedHeader,
	"plugins/request-transformer:config.replace.body[]":                     transformed,
	"plugins/request-transformer:config.replace.querystring[]":              transformed,
	"plugins/request-transformer:config.replace.headers[]":                  transformedHeader,
	"plugins/request-transformer:config.add.body[]":                         transformed,
	"plugins/request-transformer:config.add.querystring[]":                  transformed,
	"plugins/request-transformer:config.add.headers[]":                      transformedHeader,
	"plugins/request-transformer:config.append.body[]":                      transformed,
	"plugins/request-transformer:config.append.querystring[]":               transformed,
	"plugins/request-transformer:config.append.headers[]":                   transformedHeader,
	"plugins/request-transformer:config.remove.headers[]":                   transformedHeader,
	"plugins/response-transformer:config.rename.headers[]":                  renamedHeader,
	"plugins/zipkin:config.http_endpoint":                                   url,
	"plugins/rate-limiting:config.redis.server_name":                        serverName,
	"plugins/response-ratelimiting:config.redis.server_name":                serverName,
}

// recordChecks check a whole record after its fields, at any depth.
var recordChecks = map[string]entityCheck{
	"keys:pem":                     keyPair,
	"plugins/oauth2:config":        oauth2Flow,
	"plugins/rate-limiting:config": rateLimits,
	"plugins/response-ratelimiting:config.limits<v>": limitOrder,
	"plugins/request-termination:config":             terminationBody,
	"plugins/http-log:config":                        oneLogin,
	"plugins/zipkin:config":                          distinctTags,
}

// wholeChecks check whole entities of a kind.
var wholeChecks = map[string]entityCheck{
	"jwt_secrets": publicKey,
	"routes":      routeProtocols,
}

// customChecks implement the checks that schemas call custom, by kind and the names of the fields that they need.
var customChecks = map[string]entityCheck{
	"certificates:cert,key":                                    pairs("cert", "key"),
	"certificates:cert_alt,key_alt":                            pairs("cert_alt", "key_alt"),
	"ca_certificates:cert":                                     authority,
	"keys:jwk,pem,kid":                                         jsonWebKey,
	"filter_chains:filters":                                    filters,
	"plugins/aws-lambda:config.proxy_url":                      plainProxy,
	"plugins/ai-proxy:route_type,model,logging":                countedTokens,
	"plugins/ai-request-transformer:route_type,model,logging":  countedTokens,
	"plugins/ai-response-transformer:route_type,model,logging": countedTokens,
	"plugins/acme:config.storage":                              acmeStorage,
	"routes:id,protocols,snis,sources,destinations,methods,hosts,paths,headers,expression,regex_priority,priority": routeExpression,
}

// shorthands has the paths of shorthands where the schema does not name them.
var shorthands = map[string][]string{
	"plugins/opentelemetry:config.endpoint":  {"traces_endpoint"},
	"plugins/session:config.cookie_samesite": {"cookie_same_site"},
}

// known returns the rule for a string field that its schema lacks, or nil.
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

// addKnown adds the rules for whole entities of a kind that the schema lacks.
func (c compiler) addKnown(r *record) {
	if check := wholeChecks[c.name]; check != nil {
		r.checks = append([]entityCheck{check}, r.checks...)
	}
	switch c.name {
	case "services":
		addURL(r)
	case "upstreams": // Kong also reads these two fields as shorthands of themselves
		for _, name := range []string{"algorithm", "hash_on"} {
			if r.fields[name] != nil {
				r.short[name] = &shorthand{field: textField(name)}
			}
		}
	}
}
