package kongtest

import (
	"slices"
	"strconv"
	"strings"
)

// kind describes one entity type as far as structure goes: its fields with
// their types, what must be unique, and what refers to what.
type kind struct {
	name     string // plural: the top-level key of the declarative format
	singular string // what Kong calls one of them in errors
	key      string // the natural key: ids are derived from it, references may use it
	keyFree  bool   // the natural key need not be unique by itself
	segment  string // where the Admin API lists them
	fields   map[string]field
	required []string // names of required fields
	foreign  []field  // fields that refer to other entities
}

type field struct {
	name     string
	typ      string // string uuid integer number boolean array set map record foreign any
	elem     string // type of the elements of an array or set
	ref      string // for foreign: the kind referred to
	required bool
	unique   bool
	oneOf    []string
	ranged   bool
	min, max float64
}

// The notation: name:type, with ! for required, * for unique, {a,b} for an
// enumeration and [a,b] for a range.
const (
	plainDates = " created_at:integer updated_at:integer"
	protocols  = "{grpc,grpcs,http,https,tcp,tls,tls_passthrough,udp}"
	timeout    = ":integer[1,2147483646]"
	hashInputs = "{none,consumer,ip,header,cookie,path,query_arg,uri_capture}"
)

func kindTable() []*kind {
	table := []*kind{
		{name: "services", key: "name", fields: parseFields("id:uuid name:string* retries:integer[0,32767] protocol:string" + protocols +
			" host:string! port:integer[0,65535] path:string connect_timeout" + timeout + " write_timeout" + timeout + " read_timeout" + timeout +
			" tags:set:string client_certificate:->certificates tls_verify:boolean tls_verify_depth:integer[0,64] ca_certificates:array:string " +
			"enabled:boolean" + plainDates)},
		{name: "routes", key: "name", fields: parseFields("id:uuid name:string* protocols:set:string " +
			"https_redirect_status_code:integer{426,301,302,307,308}" +
			" strip_path:boolean preserve_host:boolean request_buffering:boolean response_buffering:boolean tags:set:string service:->services" +
			" snis:set:string sources:set:record destinations:set:record methods:set:string hosts:array:string paths:array:string headers:map" +
			" regex_priority:integer path_handling:string{v0,v1}" + plainDates)},
		{name: "consumers", key: "username", fields: parseFields("id:uuid username:string* custom_id:string* tags:set:string" + plainDates)},
		{name: "plugins", key: "instance_name", keyFree: true, fields: parseFields(
			"id:uuid name:string! instance_name:string* route:->routes service:->services consumer:->consumers" +
				" config:record protocols:set:string enabled:boolean tags:set:string" + plainDates)},
		{name: "upstreams", key: "name", fields: parseFields("id:uuid name:string!* " +
			"algorithm:string{consistent-hashing,least-connections,round-robin,latency}" +
			" hash_on:string" + hashInputs + " hash_fallback:string" + hashInputs +
			" hash_on_header:string hash_fallback_header:string hash_on_cookie:string" +
			" hash_on_cookie_path:string hash_on_query_arg:string hash_fallback_query_arg:string hash_on_uri_capture:string " +
			"hash_fallback_uri_capture:string" +
			" slots:integer[10,65536] healthchecks:record tags:set:string host_header:string client_certificate:->certificates " +
			"use_srv_name:boolean" + plainDates)},
		{name: "targets", key: "target", keyFree: true, fields: parseFields(
			"id:uuid upstream:->upstreams! target:string! weight:integer[0,65535] tags:set:string created_at:number updated_at:number")},
		{name: "certificates", fields: parseFields("id:uuid cert:string! key:string! cert_alt:string key_alt:string tags:set:string" +
			plainDates)},
		{name: "snis", key: "name", fields: parseFields("id:uuid name:string!* tags:set:string certificate:->certificates!" + plainDates)},
		{name: "ca_certificates", fields: parseFields("id:uuid cert:string! cert_digest:string tags:set:string" + plainDates)},
		{name: "vaults", key: "prefix", fields: parseFields("id:uuid prefix:string!* name:string! description:string config:record " +
			"tags:set:string" + plainDates)},
		{name: "key_sets", key: "name", segment: "key-sets", fields: parseFields("id:uuid name:string* tags:set:string" + plainDates)},
		{name: "keys", key: "name", fields: parseFields("id:uuid set:->key_sets name:string* kid:string! jwk:string pem:record tags:set:string" +
			plainDates)},
		{name: "filter_chains", key: "name", segment: "filter-chains", fields: parseFields(
			"id:uuid name:string* enabled:boolean route:->routes service:->services filters:array:record! tags:set:string" + plainDates)},
		{name: "workspaces", key: "name", fields: parseFields("id:uuid name:string!* comment:string meta:record config:record" + plainDates)},
		{name: "acls", fields: parseFields("id:uuid consumer:->consumers! group:string! tags:set:string created_at:integer")},
		{name: "basicauth_credentials", key: "username", segment: "basic-auths",
			fields: parseFields("id:uuid consumer:->consumers! username:string!* password:string! tags:set:string created_at:integer")},
		{name: "hmacauth_credentials", key: "username", segment: "hmac-auths",
			fields: parseFields("id:uuid consumer:->consumers! username:string!* secret:string tags:set:string created_at:integer")},
		{name: "jwt_secrets", key: "key", segment: "jwts", fields: parseFields(
			"id:uuid consumer:->consumers! key:string* secret:string rsa_public_key:string" +
				" algorithm:string{HS256,HS384,HS512,RS256,RS384,RS512,ES256,ES384,ES512,PS256,PS384,PS512,EdDSA} tags:set:string created_at:integer")},
		{name: "keyauth_credentials", key: "key", segment: "key-auths", fields: parseFields(
			"id:uuid consumer:->consumers! key:string* tags:set:string created_at:integer")},
		{name: "oauth2_credentials", key: "client_id", segment: "oauth2", fields: parseFields(
			"id:uuid consumer:->consumers! name:string! client_id:string* client_secret:string" +
				" hash_secret:boolean redirect_uris:array:string tags:set:string client_type:string{confidential,public} created_at:integer")},
		{name: "oauth2_authorization_codes", fields: parseFields("id:uuid service:->services credential:->oauth2_credentials! code:string* " +
			"authenticated_userid:string" +
			" scope:string challenge:string challenge_method:string{S256} plugin:->plugins created_at:integer")},
		{name: "oauth2_tokens", segment: "oauth2_tokens", fields: parseFields(
			"id:uuid service:->services credential:->oauth2_credentials! token_type:string{bearer}" +
				" expires_in:integer! access_token:string* refresh_token:string* authenticated_userid:string scope:string created_at:integer")},
		{name: "acme_storage", key: "key", fields: parseFields("id:uuid key:string* value:string created_at:integer")},
		{name: "sessions", key: "session_id", fields: parseFields("id:uuid session_id:string!* expires:integer data:string created_at:integer")},
		{name: "parameters", fields: parseFields("key:string!* value:string! created_at:integer")},
	}
	for _, k := range table {
		k.singular = strings.TrimSuffix(k.name, "s")
		if k.segment == "" {
			k.segment = k.name
		}
		for name, f := range k.fields {
			if f.required {
				k.required = append(k.required, name)
			}
			if f.ref != "" {
				k.foreign = append(k.foreign, f)
			}
		}
	}
	return table
}

// kinds is the table with its indexes. One is built per gateway.
type kinds struct {
	all    []*kind
	byName map[string]*kind
	// nested[parent][child] is the child's field that points to the parent.
	nested map[string]map[string]string
}

func newKinds() *kinds {
	ks := &kinds{all: kindTable(), byName: map[string]*kind{}, nested: map[string]map[string]string{}}
	for _, k := range ks.all {
		ks.byName[k.name] = k
		for _, f := range k.foreign {
			if ks.nested[f.ref] == nil {
				ks.nested[f.ref] = map[string]string{}
			}
			ks.nested[f.ref][k.name] = f.name
		}
	}
	return ks
}

func (ks *kinds) bySegment(segment string) *kind {
	i := slices.IndexFunc(ks.all, func(k *kind) bool { return k.segment == segment })
	if i < 0 {
		return nil
	}
	return ks.all[i]
}

func parseFields(notation string) map[string]field {
	fields := map[string]field{}
	for _, word := range strings.Fields(notation) {
		name, typ, _ := strings.Cut(word, ":")
		f := field{name: name}
		if body, ok := strings.CutSuffix(typ, "}"); ok {
			var list string
			typ, list, _ = strings.Cut(body, "{")
			f.oneOf = strings.Split(list, ",")
		}
		if body, ok := strings.CutSuffix(typ, "]"); ok {
			var span string
			typ, span, _ = strings.Cut(body, "[")
			low, high, _ := strings.Cut(span, ",")
			f.min, _ = strconv.ParseFloat(low, 64)
			f.max, _ = strconv.ParseFloat(high, 64)
			f.ranged = true
		}
		typ, f.unique = strings.CutSuffix(typ, "*")
		typ, f.required = strings.CutSuffix(typ, "!")
		if ref, ok := strings.CutPrefix(typ, "->"); ok {
			f.typ, f.ref = "foreign", ref
		} else {
			f.typ, f.elem, _ = strings.Cut(typ, ":")
		}
		fields[name] = f
	}
	return fields
}
