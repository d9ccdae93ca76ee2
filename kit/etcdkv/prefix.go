package etcdkv

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/namespace"
)

// DefaultPrefix is the prefix of every key of an installation without another setting.
const DefaultPrefix = "/silverback/v1/"

const longestPrefix = 256

// checkPrefix returns why an installation cannot use a prefix. Two installations are separate only if neither prefix begins with the other.
func checkPrefix(prefix string) error {
	var problem string
	switch {
	case !strings.HasPrefix(prefix, "/") || !strings.HasSuffix(prefix, "/"):
		problem = "it begins and ends with /"
	case len(prefix) > longestPrefix:
		problem = fmt.Sprintf("it has at most %d bytes", longestPrefix)
	case strings.Contains(prefix, "//"):
		problem = "it holds no //"
	case !utf8.ValidString(prefix), strings.ContainsFunc(prefix, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		problem = "it holds neither blanks nor control characters"
	case strings.HasPrefix(prefix, DefaultPrefix) && prefix != DefaultPrefix:
		problem = "it is not inside " + DefaultPrefix + ", where an installation without this setting is"
	default:
		return nil
	}
	return fmt.Errorf("--etcd-prefix: %q: %s; such as %s or /silverback-eu/v1/", prefix, problem, DefaultPrefix)
}

// under restricts a client to the keys under a prefix. Its callers use keys without the prefix.
func under(client *clientv3.Client, prefix string) {
	client.KV = prefixedKV{namespace.NewKV(client.KV, prefix), prefix}
	client.Watcher = namespace.NewWatcher(client.Watcher, prefix)
	client.Lease = namespace.NewLease(client.Lease, prefix)
}

type prefixedKV struct {
	clientv3.KV
	prefix string
}

// Full returns a client's key with its prefix, as etcdctl needs it.
func Full(kv clientv3.KV, key string) string {
	switch kv := kv.(type) {
	case *clientv3.Client:
		return Full(kv.KV, key)
	case timeoutKV:
		return Full(kv.KV, key)
	case prefixedKV:
		return kv.prefix + key
	}
	return key
}
