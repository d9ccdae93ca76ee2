// Package entity holds Kong's entity types as far as their structure goes, and posted entities in their place in a document. It judges
// nothing.
package entity

import (
	"slices"
	"strconv"
	"strings"
)

// Kind is the structure of one entity type.
type Kind struct {
	Name     string // plural: the top-level key of the declarative format
	Singular string // Kong's name for one of them in errors
	Key      string // the natural key: ids are derived from it, and references may use it
	Segment  string // the path segment at which the Admin API lists them
	Fields   map[string]Field
	Required []string // names of the required fields
	Foreign  []Field  // the fields that refer to other entities
}

// Field is one field of a kind.
type Field struct {
	Name     string
	Type     string // string uuid integer number boolean array set map record foreign any
	Elem     string // the type of the elements of an array or set
	Ref      string // for foreign: the kind referred to
	Required bool
	Unique   bool
	OneOf    []string
	Ranged   bool
	Min, Max float64
}

// The notation: name:type, with ! for required, * for unique, {a,b} for an
// enumeration and [a,b] for a range.
const (
	plainDates = " created_at:integer updated_at:integer"
	protocols  = "{grpc,grpcs,http,https,tcp,tls,tls_passthrough,udp}"
	timeout    = ":integer[1,2147483646]"
	hashInputs = "{none,consumer,ip,header,cookie,path,query_arg,uri_capture}"
)

func table() []*Kind {
	all := []*Kind{
		{Name: "services", Key: "name", Fields: fieldsOf("id:uuid name:string* retries:integer[0,32767] protocol:string" + protocols +
			" host:string! port:integer[0,65535] path:string connect_timeout" + timeout + " write_timeout" + timeout + " read_timeout" + timeout +
			" tags:set:string client_certificate:->certificates tls_verify:boolean tls_verify_depth:integer[0,64]" +
			" ca_certificates:array:uuid enabled:boolean" + plainDates)},
		{Name: "routes", Key: "name", Fields: fieldsOf("id:uuid name:string* protocols:set:string" +
			" https_redirect_status_code:integer{426,301,302,307,308}" +
			" strip_path:boolean preserve_host:boolean request_buffering:boolean response_buffering:boolean tags:set:string service:->services" +
			" snis:set:string sources:set:record destinations:set:record methods:set:string hosts:array:string paths:array:string headers:map" +
			" regex_priority:integer path_handling:string{v0,v1}" + plainDates)},
		{Name: "consumers", Key: "username", Fields: fieldsOf("id:uuid username:string* custom_id:string* tags:set:string" + plainDates)},
		{Name: "plugins", Key: "instance_name", Fields: fieldsOf("id:uuid name:string! instance_name:string* route:->routes" +
			" service:->services consumer:->consumers" +
			" config:record protocols:set:string enabled:boolean tags:set:string" + plainDates)},
		{Name: "upstreams", Key: "name", Fields: fieldsOf("id:uuid name:string!*" +
			" algorithm:string{consistent-hashing,least-connections,round-robin,latency}" +
			" hash_on:string" + hashInputs + " hash_fallback:string" + hashInputs + " hash_on_header:string hash_fallback_header:string" +
			" hash_on_cookie:string" +
			" hash_on_cookie_path:string hash_on_query_arg:string hash_fallback_query_arg:string hash_on_uri_capture:string" +
			" hash_fallback_uri_capture:string" +
			" slots:integer[10,65536] healthchecks:record tags:set:string host_header:string client_certificate:->certificates" +
			" use_srv_name:boolean" + plainDates)},
		{Name: "targets", Key: "target", Fields: fieldsOf("id:uuid upstream:->upstreams! target:string! weight:integer[0,65535]" +
			" tags:set:string created_at:number updated_at:number")},
		{Name: "certificates", Fields: fieldsOf("id:uuid cert:string! key:string! cert_alt:string key_alt:string tags:set:string" + plainDates)},
		{Name: "snis", Key: "name", Fields: fieldsOf("id:uuid name:string!* tags:set:string certificate:->certificates!" + plainDates)},
		{Name: "ca_certificates", Fields: fieldsOf("id:uuid cert:string! cert_digest:string tags:set:string" + plainDates)},
		{Name: "vaults", Key: "prefix", Fields: fieldsOf("id:uuid prefix:string!* name:string! description:string config:record" +
			" tags:set:string" + plainDates)},
		{Name: "key_sets", Key: "name", Segment: "key-sets", Fields: fieldsOf("id:uuid name:string* tags:set:string" + plainDates)},
		{Name: "keys", Key: "name", Fields: fieldsOf("id:uuid set:->key_sets name:string* kid:string! jwk:string pem:record" +
			" tags:set:string" + plainDates)},
		{Name: "filter_chains", Key: "name", Segment: "filter-chains", Fields: fieldsOf("id:uuid name:string* enabled:boolean" +
			" route:->routes service:->services filters:array:record! tags:set:string" + plainDates)},
		{Name: "workspaces", Key: "name", Fields: fieldsOf("id:uuid name:string!* comment:string meta:record config:record" + plainDates)},
		{Name: "acls", Fields: fieldsOf("id:uuid consumer:->consumers! group:string! tags:set:string created_at:integer")},
		{Name: "basicauth_credentials", Key: "username", Segment: "basic-auths", Fields: fieldsOf("id:uuid consumer:->consumers!" +
			" username:string!* password:string! tags:set:string created_at:integer")},
		{Name: "hmacauth_credentials", Key: "username", Segment: "hmac-auths", Fields: fieldsOf("id:uuid consumer:->consumers!" +
			" username:string!* secret:string tags:set:string created_at:integer")},
		{Name: "jwt_secrets", Key: "key", Segment: "jwts", Fields: fieldsOf("id:uuid consumer:->consumers! key:string* secret:string" +
			" rsa_public_key:string" +
			" algorithm:string{HS256,HS384,HS512,RS256,RS384,RS512,ES256,ES384,ES512,PS256,PS384,PS512,EdDSA} tags:set:string created_at:integer")},
		{Name: "keyauth_credentials", Key: "key", Segment: "key-auths", Fields: fieldsOf("id:uuid consumer:->consumers! key:string*" +
			" tags:set:string created_at:integer")},
		{Name: "oauth2_credentials", Key: "client_id", Segment: "oauth2", Fields: fieldsOf("id:uuid consumer:->consumers! name:string!" +
			" client_id:string* client_secret:string" +
			" hash_secret:boolean redirect_uris:array:string tags:set:string client_type:string{confidential,public} created_at:integer")},
		{Name: "oauth2_authorization_codes", Fields: fieldsOf("id:uuid service:->services credential:->oauth2_credentials! code:string*" +
			" authenticated_userid:string" +
			" scope:string challenge:string challenge_method:string{S256} plugin:->plugins created_at:integer")},
		{Name: "oauth2_tokens", Segment: "oauth2_tokens", Fields: fieldsOf("id:uuid service:->services credential:->oauth2_credentials!" +
			" token_type:string{bearer}" +
			" expires_in:integer! access_token:string* refresh_token:string* authenticated_userid:string scope:string created_at:integer")},
		{Name: "acme_storage", Key: "key", Fields: fieldsOf("id:uuid key:string* value:string created_at:integer")},
		{Name: "sessions", Key: "session_id", Fields: fieldsOf("id:uuid session_id:string!* expires:integer data:string created_at:integer")},
		{Name: "parameters", Fields: fieldsOf("key:string!* value:string! created_at:integer")},
	}
	for _, k := range all {
		k.Singular = strings.TrimSuffix(k.Name, "s")
		if k.Segment == "" {
			k.Segment = k.Name
		}
		for name, f := range k.Fields {
			if f.Required {
				k.Required = append(k.Required, name)
			}
			if f.Ref != "" {
				k.Foreign = append(k.Foreign, f)
			}
		}
	}
	return all
}

// Kinds is the table of kinds with its indexes. It is read only.
type Kinds struct {
	All    []*Kind
	ByName map[string]*Kind
	// Nested[parent][child] is the child's field that refers to the parent.
	Nested map[string]map[string]string
}

// NewKinds builds the table.
func NewKinds() *Kinds {
	ks := &Kinds{All: table(), ByName: map[string]*Kind{}, Nested: map[string]map[string]string{}}
	for _, k := range ks.All {
		ks.ByName[k.Name] = k
		for _, f := range k.Foreign {
			if ks.Nested[f.Ref] == nil {
				ks.Nested[f.Ref] = map[string]string{}
			}
			ks.Nested[f.Ref][k.Name] = f.Name
		}
	}
	return ks
}

// BySegment returns the kind that the Admin API lists at a path segment, or nil.
func (ks *Kinds) BySegment(segment string) *Kind {
	i := slices.IndexFunc(ks.All, func(k *Kind) bool { return k.Segment == segment })
	if i < 0 {
		return nil
	}
	return ks.All[i]
}

func fieldsOf(notation string) map[string]Field {
	fields := map[string]Field{}
	for _, word := range strings.Fields(notation) {
		name, typ, _ := strings.Cut(word, ":")
		f := Field{Name: name}
		if body, ok := strings.CutSuffix(typ, "}"); ok {
			var list string
			typ, list, _ = strings.Cut(body, "{")
			f.OneOf = strings.Split(list, ",")
		}
		if body, ok := strings.CutSuffix(typ, "]"); ok {
			var span string
			typ, span, _ = strings.Cut(body, "[")
			low, high, _ := strings.Cut(span, ",")
			f.Min, _ = strconv.ParseFloat(low, 64)
			f.Max, _ = strconv.ParseFloat(high, 64)
			f.Ranged = true
		}
		typ, f.Unique = strings.CutSuffix(typ, "*")
		typ, f.Required = strings.CutSuffix(typ, "!")
		if ref, ok := strings.CutPrefix(typ, "->"); ok {
			f.Type, f.Ref = "foreign", ref
		} else {
			f.Type, f.Elem, _ = strings.Cut(typ, ":")
		}
		fields[name] = f
	}
	return fields
}
