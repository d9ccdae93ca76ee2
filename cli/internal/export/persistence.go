package export

import (
	"bytes"
	"fmt"

	"github.com/spf13/cobra"
)

// A persistence is --persistence: how a balancer recognises a client that should stay with one gateway.
type persistence string

const (
	byCookie persistence = "cookie"
	bySource persistence = "source"
)

func (p *persistence) add(cmd *cobra.Command) {
	cmd.Flags().StringVar((*string)(p), "persistence", "", "keep a client with one gateway: by a cookie that the balancer sets, or by the "+
		"source address (cookie, source); empty is no persistence")
}

func (p *persistence) check() error {
	switch *p {
	case "", byCookie, bySource:
		return nil
	}
	return fmt.Errorf("--persistence %q: choose cookie or source", string(*p))
}

// cookieName is the cookie of nginx, and the first part of those of HAProxy. HAProxy's value is a server, so each backend needs its own
// cookie; nginx's is a random key that any upstream can hash.
const cookieName = "silverback"

// drainingCheck has HAProxy put a server into its drain mode by the check itself: the clients that have its cookie may finish there, as
// with a weight of 0, and no other client comes. An agent that has another reason beside the drain does not match, and the server is down.
const drainingCheck = "    http-check expect ! rstring '^draining(: .*)?$' error-status L7OKC\n"

// haproxy returns the lines of a backend.
func (p *persistence) haproxy(group string) string {
	switch *p {
	case byCookie:
		return "    balance roundrobin\n    cookie " + cookieName + "_" + group + " insert indirect nocache httponly\n"
	case bySource: // a table of clients would be lost at every reload, a hash is not
		return "    balance source\n    hash-type consistent\n"
	}
	return "    balance roundrobin\n"
}

// nginxMaps writes what stands before the upstreams. nginx before 1.29.6 has no sticky cookies, so the cookie is a key for the hash: a
// client without one is given the id of its first request, which is also the key of that request.
func (p *persistence) nginxMaps(out *bytes.Buffer) {
	if *p != byCookie {
		return
	}
	out.WriteString(`
# Every server or location that passes requests to these upstreams needs this line:
#   add_header Set-Cookie $silverback_set_cookie always;
map $cookie_` + cookieName + ` $silverback_session {
    default $cookie_` + cookieName + `;
    "" $request_id;
}
map "$scheme:$cookie_` + cookieName + `" $silverback_set_cookie {
    default "";
    "http:" "` + cookieName + `=$request_id; Path=/; HttpOnly; SameSite=Lax";
    "https:" "` + cookieName + `=$request_id; Path=/; HttpOnly; SameSite=Lax; Secure";
}
`)
}

// nginx returns the line of an upstream.
func (p *persistence) nginx() string {
	switch *p {
	case byCookie:
		return "    hash $silverback_session consistent;\n"
	case bySource:
		return "    hash $remote_addr consistent;\n"
	}
	return ""
}
