package translate

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The annotations that are read, as Kong Ingress Controller names them.
const (
	annotationPrefix = "konghq.com"

	annotationClass            = "kubernetes.io/ingress.class"
	annotationDefaultClass     = "ingressclass.kubernetes.io/is-default-class"
	annotationServiceUpstream  = "ingress.kubernetes.io/service-upstream"
	annotationForceSSLRedirect = "ingress.kubernetes.io/force-ssl-redirect"
	annotationUnmanaged        = "konghq.com/gatewayclass-unmanaged"

	annotationCACertConfigMaps  = "konghq.com/ca-certificates-configmaps"
	annotationCACertSecrets     = "konghq.com/ca-certificates-secrets"
	annotationClientCert        = "konghq.com/client-cert"
	annotationConnectTimeout    = "konghq.com/connect-timeout"
	annotationHeaders           = "konghq.com/headers."
	annotationHeadersSeparator  = "konghq.com/headers-separator"
	annotationHostAliases       = "konghq.com/host-aliases"
	annotationHostHeader        = "konghq.com/host-header"
	annotationHTTPSRedirect     = "konghq.com/https-redirect-status-code"
	annotationMethods           = "konghq.com/methods"
	annotationOverride          = "konghq.com/override"
	annotationPath              = "konghq.com/path"
	annotationPathHandling      = "konghq.com/path-handling"
	annotationPlugins           = "konghq.com/plugins"
	annotationPreserveHost      = "konghq.com/preserve-host"
	annotationProtocol          = "konghq.com/protocol"
	annotationProtocols         = "konghq.com/protocols"
	annotationReadTimeout       = "konghq.com/read-timeout"
	annotationRegexPrefix       = "konghq.com/regex-prefix"
	annotationRegexPriority     = "konghq.com/regex-priority"
	annotationRequestBuffering  = "konghq.com/request-buffering"
	annotationResponseBuffering = "konghq.com/response-buffering"
	annotationRetries           = "konghq.com/retries"
	annotationRewrite           = "konghq.com/rewrite"
	annotationSNIs              = "konghq.com/snis"
	annotationStripPath         = "konghq.com/strip-path"
	annotationTags              = "konghq.com/tags"
	annotationTLSVerify         = "konghq.com/tls-verify"
	annotationTLSVerifyDepth    = "konghq.com/tls-verify-depth"
	annotationUpstreamPolicy    = "konghq.com/upstream-policy"
	annotationWriteTimeout      = "konghq.com/write-timeout"

	labelCACert     = "konghq.com/ca-cert"
	labelCredential = "konghq.com/credential"
	labelGlobal     = "global"
)

// list cuts a value at its commas, and drops what is empty.
func list(value string) []string {
	var items []string
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// methods are the methods that a route is for, in upper case.
func methods(annotations map[string]string) []string {
	names := list(annotations[annotationMethods])
	for i, name := range names {
		names[i] = strings.ToUpper(name)
	}
	return names
}

// headers are the headers that a request must have, with the values of which it must have one.
func headers(annotations map[string]string) map[string][]string {
	separator, ok := annotations[annotationHeadersSeparator]
	if !ok {
		separator = ","
	}
	found := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(annotations)) {
		header, ok := strings.CutPrefix(name, annotationHeaders)
		if !ok || header == "" || annotations[name] == "" {
			continue
		}
		values := strings.Split(annotations[name], separator)
		for i := range values {
			values[i] = strings.TrimSpace(values[i])
		}
		found[header] = values
	}
	return found
}

// number sets to, when the annotation is a number.
func number(annotations map[string]string, name string, to *int) {
	if n, err := strconv.Atoi(annotations[name]); err == nil {
		*to = n
	}
}

// truth sets to, when the annotation is true or false in any case.
func truth(annotations map[string]string, name string, to **bool) {
	switch strings.ToLower(annotations[name]) {
	case "true":
		*to = new(true)
	case "false":
		*to = new(false)
	}
}

// protocolKnown says whether Kong has such a protocol; none at all counts as known.
func protocolKnown(protocol string) bool {
	switch protocol {
	case "", "http", "https", "grpc", "grpcs", "ws", "wss", "tls", "tcp", "tls_passthrough":
		return true
	}
	return false
}
