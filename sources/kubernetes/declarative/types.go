// Package declarative is Kong's declarative configuration, in the shape that Kong Ingress Controller posts to a gateway without a database.
package declarative

import "encoding/json"

// FormatVersion is the version of the format.
const FormatVersion = "3.0"

// Config is a whole configuration.
type Config struct {
	FormatVersion  string          `json:"_format_version"`
	Services       []Service       `json:"services,omitempty"`
	Upstreams      []Upstream      `json:"upstreams,omitempty"`
	Plugins        []Plugin        `json:"plugins,omitempty"`
	Consumers      []Consumer      `json:"consumers,omitempty"`
	ConsumerGroups []ConsumerGroup `json:"consumer_groups,omitempty"`
	Memberships    []Membership    `json:"consumer_group_consumers,omitempty"`
	Certificates   []Certificate   `json:"certificates,omitempty"`
	CACertificates []CACertificate `json:"ca_certificates,omitempty"`
	Vaults         []Vault         `json:"vaults,omitempty"`
	// Custom are entities of kinds that plugins bring, by the plural of their kind.
	Custom map[string][]Fields `json:"-"`
}

// Fields is an entity or a part of one whose fields are not known here.
type Fields map[string]any

// Service is an upstream service.
type Service struct {
	ID                string   `json:"id,omitempty"`
	Name              string   `json:"name"`
	Host              string   `json:"host"`
	Port              *int     `json:"port,omitempty"`
	Protocol          string   `json:"protocol"`
	Path              string   `json:"path,omitempty"`
	ConnectTimeout    int      `json:"connect_timeout"`
	ReadTimeout       int      `json:"read_timeout"`
	WriteTimeout      int      `json:"write_timeout"`
	Retries           int      `json:"retries"`
	ClientCertificate string   `json:"client_certificate,omitempty"`
	CACertificates    []string `json:"ca_certificates,omitempty"`
	TLSVerify         *bool    `json:"tls_verify,omitempty"`
	TLSVerifyDepth    *int     `json:"tls_verify_depth,omitempty"`
	Tags              []string `json:"tags,omitempty"`
	Routes            []Route  `json:"routes,omitempty"`
	Plugins           []Plugin `json:"plugins,omitempty"`
}

// Route is a route of a service, of either flavor of router.
type Route struct {
	ID                      string              `json:"id,omitempty"`
	Name                    string              `json:"name"`
	Protocols               []string            `json:"protocols,omitempty"`
	Hosts                   []string            `json:"hosts,omitempty"`
	Paths                   []string            `json:"paths,omitempty"`
	Methods                 []string            `json:"methods,omitempty"`
	Headers                 map[string][]string `json:"headers,omitempty"`
	SNIs                    []string            `json:"snis,omitempty"`
	Destinations            []Destination       `json:"destinations,omitempty"`
	Expression              *string             `json:"expression,omitempty"`
	Priority                *uint64             `json:"priority,omitempty"`
	RegexPriority           *int                `json:"regex_priority,omitempty"`
	PathHandling            string              `json:"path_handling,omitempty"`
	StripPath               *bool               `json:"strip_path,omitempty"`
	PreserveHost            *bool               `json:"preserve_host,omitempty"`
	HTTPSRedirectStatusCode int                 `json:"https_redirect_status_code"`
	RequestBuffering        *bool               `json:"request_buffering,omitempty"`
	ResponseBuffering       *bool               `json:"response_buffering,omitempty"`
	Tags                    []string            `json:"tags,omitempty"`
	Plugins                 []Plugin            `json:"plugins,omitempty"`
}

// Destination is a port at which a stream is accepted.
type Destination struct {
	Port int `json:"port"`
}

// Plugin is a plugin. What it is attached to is named by its name, and is empty for one that is nested or global.
type Plugin struct {
	ID            string          `json:"id,omitempty"`
	Name          string          `json:"name"`
	InstanceName  string          `json:"instance_name,omitempty"`
	Enabled       *bool           `json:"enabled,omitempty"`
	Protocols     []string        `json:"protocols,omitempty"`
	Ordering      json.RawMessage `json:"ordering,omitempty"`
	Config        Fields          `json:"config,omitempty"`
	Service       string          `json:"service,omitempty"`
	Route         string          `json:"route,omitempty"`
	Consumer      string          `json:"consumer,omitempty"`
	ConsumerGroup string          `json:"consumer_group,omitempty"`
	Tags          []string        `json:"tags,omitempty"`
}

// Upstream balances the load of a service over its targets.
type Upstream struct {
	Name                     string       `json:"name"`
	Algorithm                string       `json:"algorithm,omitempty"`
	Slots                    *int         `json:"slots,omitempty"`
	HostHeader               string       `json:"host_header,omitempty"`
	HashOn                   *string      `json:"hash_on,omitempty"`
	HashOnHeader             *string      `json:"hash_on_header,omitempty"`
	HashOnCookie             *string      `json:"hash_on_cookie,omitempty"`
	HashOnCookiePath         *string      `json:"hash_on_cookie_path,omitempty"`
	HashOnQueryArg           *string      `json:"hash_on_query_arg,omitempty"`
	HashOnURICapture         *string      `json:"hash_on_uri_capture,omitempty"`
	HashFallback             *string      `json:"hash_fallback,omitempty"`
	HashFallbackHeader       *string      `json:"hash_fallback_header,omitempty"`
	HashFallbackQueryArg     *string      `json:"hash_fallback_query_arg,omitempty"`
	HashFallbackURICapture   *string      `json:"hash_fallback_uri_capture,omitempty"`
	StickySessionsCookie     *string      `json:"sticky_sessions_cookie,omitempty"`
	StickySessionsCookiePath *string      `json:"sticky_sessions_cookie_path,omitempty"`
	Healthchecks             *Healthcheck `json:"healthchecks,omitempty"`
	Targets                  []Target     `json:"targets,omitempty"`
	Tags                     []string     `json:"tags,omitempty"`
}

// Healthcheck are the health checks of an upstream.
type Healthcheck struct {
	Threshold *float64 `json:"threshold,omitempty"`
	Active    *Active  `json:"active,omitempty"`
	Passive   *Passive `json:"passive,omitempty"`
}

// Active asks targets how they are.
type Active struct {
	Type                   *string             `json:"type,omitempty"`
	Concurrency            *int                `json:"concurrency,omitempty"`
	HTTPPath               *string             `json:"http_path,omitempty"`
	HTTPSSNI               *string             `json:"https_sni,omitempty"`
	HTTPSVerifyCertificate *bool               `json:"https_verify_certificate,omitempty"`
	Timeout                *int                `json:"timeout,omitempty"`
	Headers                map[string][]string `json:"headers,omitempty"`
	Healthy                *Healthy            `json:"healthy,omitempty"`
	Unhealthy              *Unhealthy          `json:"unhealthy,omitempty"`
}

// Passive watches how targets answer.
type Passive struct {
	Type      *string    `json:"type,omitempty"`
	Healthy   *Healthy   `json:"healthy,omitempty"`
	Unhealthy *Unhealthy `json:"unhealthy,omitempty"`
}

// Healthy is when a target counts as healthy.
type Healthy struct {
	HTTPStatuses []int `json:"http_statuses,omitempty"`
	Interval     *int  `json:"interval,omitempty"`
	Successes    *int  `json:"successes,omitempty"`
}

// Unhealthy is when a target counts as unhealthy.
type Unhealthy struct {
	HTTPFailures *int  `json:"http_failures,omitempty"`
	HTTPStatuses []int `json:"http_statuses,omitempty"`
	TCPFailures  *int  `json:"tcp_failures,omitempty"`
	Timeouts     *int  `json:"timeouts,omitempty"`
	Interval     *int  `json:"interval,omitempty"`
}

// Target is an address of an upstream. Without a weight it has Kong's default, 100.
type Target struct {
	Target string `json:"target"`
	Weight *int   `json:"weight,omitempty"`
}

// Consumer is a consumer with its credentials.
type Consumer struct {
	ID         string      `json:"id,omitempty"`
	Username   string      `json:"username,omitempty"`
	CustomID   string      `json:"custom_id,omitempty"`
	Tags       []string    `json:"tags,omitempty"`
	KeyAuths   []KeyAuth   `json:"keyauth_credentials,omitempty"`
	BasicAuths []BasicAuth `json:"basicauth_credentials,omitempty"`
	HMACAuths  []HMACAuth  `json:"hmacauth_credentials,omitempty"`
	JWTs       []JWT       `json:"jwt_secrets,omitempty"`
	ACLs       []ACL       `json:"acls,omitempty"`
	OAuth2s    []OAuth2    `json:"oauth2_credentials,omitempty"`
	MTLSAuths  []MTLSAuth  `json:"mtls_auth_credentials,omitempty"`
}

// KeyAuth is a credential of the plugin key-auth.
type KeyAuth struct {
	Key  string   `json:"key"`
	TTL  *int     `json:"ttl,omitempty"`
	Tags []string `json:"tags,omitempty"`
}

// BasicAuth is a credential of the plugin basic-auth.
type BasicAuth struct {
	Username string   `json:"username"`
	Password *string  `json:"password,omitempty"`
	Tags     []string `json:"tags,omitempty"`
}

// HMACAuth is a credential of the plugin hmac-auth.
type HMACAuth struct {
	Username string   `json:"username"`
	Secret   *string  `json:"secret,omitempty"`
	Tags     []string `json:"tags,omitempty"`
}

// JWT is a credential of the plugin jwt.
type JWT struct {
	Key          string   `json:"key"`
	Algorithm    string   `json:"algorithm"`
	Secret       *string  `json:"secret,omitempty"`
	RSAPublicKey *string  `json:"rsa_public_key,omitempty"`
	Tags         []string `json:"tags,omitempty"`
}

// ACL puts a consumer into a group of the plugin acl.
type ACL struct {
	Group string   `json:"group"`
	Tags  []string `json:"tags,omitempty"`
}

// OAuth2 is a credential of the plugin oauth2.
type OAuth2 struct {
	Name         string   `json:"name"`
	ClientID     string   `json:"client_id"`
	ClientSecret *string  `json:"client_secret,omitempty"`
	ClientType   *string  `json:"client_type,omitempty"`
	HashSecret   *bool    `json:"hash_secret,omitempty"`
	RedirectURIs []string `json:"redirect_uris,omitempty"`
	Tags         []string `json:"tags,omitempty"`
}

// MTLSAuth is a credential of the plugin mtls-auth.
type MTLSAuth struct {
	SubjectName string   `json:"subject_name"`
	Tags        []string `json:"tags,omitempty"`
}

// ConsumerGroup is a group of consumers.
type ConsumerGroup struct {
	ID   string   `json:"id,omitempty"`
	Name string   `json:"name"`
	Tags []string `json:"tags,omitempty"`
}

// Membership puts a consumer into a group.
type Membership struct {
	ConsumerGroup string `json:"consumer_group"`
	Consumer      string `json:"consumer"`
}

// Certificate is a certificate with its key and the names that it is served for.
type Certificate struct {
	ID   string   `json:"id,omitempty"`
	Cert string   `json:"cert"`
	Key  string   `json:"key"`
	SNIs []SNI    `json:"snis,omitempty"`
	Tags []string `json:"tags,omitempty"`
}

// SNI is a name that a certificate is served for.
type SNI struct {
	Name        string `json:"name"`
	Certificate ID     `json:"certificate"`
}

// ID names another entity.
type ID struct {
	ID string `json:"id"`
}

// CACertificate is an authority that Kong trusts.
type CACertificate struct {
	ID   string   `json:"id"`
	Cert string   `json:"cert"`
	Tags []string `json:"tags,omitempty"`
}

// Vault is a place of secrets.
type Vault struct {
	ID          string   `json:"id,omitempty"`
	Name        string   `json:"name"`
	Prefix      string   `json:"prefix"`
	Description string   `json:"description,omitempty"`
	Config      Fields   `json:"config,omitempty"`
	Tags        []string `json:"tags,omitempty"`
}
