package schema

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/kong/rustregex"
)

// families lists the protocols that a route may combine. Each family allows and requires its own fields to match on.
var families = map[string]string{
	"http": "http", "https": "http", "grpc": "grpc", "grpcs": "grpc", "ws": "ws", "wss": "ws",
	"tcp": "stream", "tls": "stream", "udp": "stream", "tls_passthrough": "passthrough",
}

// routeProtocols refuses fields that the protocols of a route do not allow, and requires that the route matches on something. Kong has a
// subschema for each family.
func routeProtocols(c *checker, r *record, values object) {
	if c.moveToList("protocols", "unknown type: want one of the protocols of a route") || c.invalid([]string{"protocols"}) {
		return
	}
	list, _ := c.get(r, values, []string{"protocols"}).([]any)
	if len(list) == 0 {
		return
	}
	has := func(protocol string) bool { return slices.Contains(list, any(protocol)) }
	first, _ := list[0].(string)
	filled := func(name string) bool { return !empty(values[name]) }
	forbid := func(when string, names ...string) {
		for _, name := range names {
			if values[name] != nil && (name != "strip_path" || values[name] == true) {
				c.at(name, BadValue, "cannot set '"+name+"' when 'protocols' is "+when)
			}
		}
	}
	need := func(when string, names ...string) {
		if filled("expression") && r.fields["expression"] != nil {
			return
		}
		if !slices.ContainsFunc(names, filled) {
			var fields []fieldRef
			for _, name := range names {
				fields = append(fields, refTo(name))
			}
			c.entity(MissingField, "must set "+quotedOneOf(fields)+" when 'protocols' is "+when)
		}
	}
	switch families[first] {
	case "http":
		forbid("'http' or 'https'", "sources", "destinations")
		if has("https") {
			need("'https'", "methods", "hosts", "headers", "paths", "snis")
		} else {
			need("'http'", "methods", "hosts", "headers", "paths")
		}
	case "grpc":
		forbid("'grpc' or 'grpcs'", "strip_path", "methods", "sources", "destinations")
		if has("grpcs") {
			need("'grpcs'", "hosts", "headers", "paths", "snis")
		} else {
			need("'grpc'", "hosts", "headers", "paths")
		}
	case "stream":
		forbid("'tcp', 'tls', 'tls_passthrough' or 'udp'", "methods", "hosts", "paths", "headers")
		need("'tcp', 'tls' or 'udp'", "sources", "destinations", "snis")
	case "passthrough":
		forbid("'tcp', 'tls', 'tls_passthrough' or 'udp'", "methods", "hosts", "paths", "headers")
		need("'tls_passthrough'", "snis")
	}
}

// quotedOneOf writes names of fields as Kong does in its messages.
func quotedOneOf(fields []fieldRef) string {
	if len(fields) == 1 {
		return quoted(fields)
	}
	return "one of " + quoted(fields)
}

// moveToList moves errors about elements of a list to the list, as Kong reports them where the list selects a subschema.
func (c *checker) moveToList(name, message string) bool {
	depth := len(c.path)
	found := false
	c.errs = slices.DeleteFunc(c.errs, func(e FieldError) bool {
		is := len(e.Path) > depth+1 && e.Path[depth].Name == name && e.Rule == BadValue
		found = found || is
		return is
	})
	if found {
		c.at(name, BadValue, message)
	}
	return found
}

// routeExpression refuses what router flavors with expressions refuse: unsupported regular expressions, and an expression beside the fields
// that it replaces.
func routeExpression(c *checker, _ *record, values object) {
	if !empty(values["expression"]) {
		for _, name := range []string{"methods", "hosts", "paths", "headers", "snis", "sources", "destinations"} {
			if !empty(values[name]) {
				c.entity(BadValue, "Router Expression failed validation: cannot set 'expression' together with '"+name+"'")
				return
			}
		}
		return
	}
	work := rustregex.Work
	judge := func(field string, of func(string, *int) (string, string), value any) bool {
		text, _ := value.(string)
		left := work
		why, _ := of(text, &work)
		if why != "" {
			c.entity(BadValue, "Router Expression failed validation: "+field+": "+why)
		}
		return c.spend(1 + perByte*(len(text)+left-work))
	}
	if !routeAddresses(c, values) {
		return
	}
	paths, _ := values["paths"].([]any)
	for i, path := range paths {
		if !judge("paths["+strconv.Itoa(i)+"]", PathRegexp, path) {
			return
		}
	}
	headers, _ := values["headers"].(object)
	for name, item := range headers {
		list, isList := item.([]any)
		if isList && len(list) == 0 {
			c.entity(BadValue, "Router Expression failed validation: headers."+name+": the list of values is empty")
		}
		for _, value := range list {
			if !judge("headers."+name, HeaderRegexp, value) {
				return
			}
		}
	}
}

// routeAddresses checks sources and destinations. False means that the budget is spent.
func routeAddresses(c *checker, values object) bool {
	for _, name := range []string{"sources", "destinations"} {
		list, _ := values[name].([]any)
		for i, item := range list {
			one, _ := item.(object)
			ip, _ := one["ip"].(string)
			if !c.spend(1) {
				return false
			}
			if why := routerAddress(ip); why != "" {
				c.entity(BadValue, "Router Expression failed validation: "+name+"["+strconv.Itoa(i)+"]: "+why)
			}
		}
	}
	return true
}

// routerAddress returns why the router's expression language cannot hold an address or range.
func routerAddress(s string) string {
	address, bits, ranged := strings.Cut(s, "/")
	a, err := netip.ParseAddr(address)
	switch {
	case strings.HasPrefix(s, "["):
		return "an address cannot stand in brackets"
	case err != nil:
		return ""
	case a.Is6() && strings.Contains(address, "."):
		return "an IPv6 address must be written in hexadecimal alone"
	case !ranged || a.Is4() && bits != "0": // Kong masks these itself
		return ""
	}
	if prefix, err := netip.ParsePrefix(s); err == nil && prefix.Masked().Addr() != a {
		return "the address of a range must have no bits beyond its prefix"
	}
	return ""
}
