package compile

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/silverback-gateway/silverback/kong/document"
	"github.com/silverback-gateway/silverback/kong/proof"
	"github.com/silverback-gateway/silverback/kong/schema"
)

// Reserved for the route by which the control plane proves what gateways serve.
const (
	reservedName = proof.RouteName
	reservedHost = proof.Host
)

// topPriority is the priority of the reserved route under the router flavor expressions.
var topPriority = strconv.Itoa(proof.TopPriority)

// A view finds members by name. A null member counts as absent.
type view []document.Key

func (v view) get(name string) *document.Node {
	for _, k := range v {
		if k.Name == name && k.Value.Kind != document.Null {
			return k.Value
		}
	}
	return nil
}

func (v view) text(name string) string {
	if n := v.get(name); n != nil {
		return n.Text
	}
	return ""
}

func (v view) texts(name string) []string {
	var out []string
	if n := v.get(name); n != nil {
		for _, e := range n.Items {
			out = append(out, e.Text)
		}
	}
	return out
}

// check validates an entity as a whole. It skips rules whose fields have problems already.
func (p *parser) check(s subject, n *document.Node, keys []document.Key, flaws []Problem) {
	v, bad := view(keys), flawed(flaws)
	p.checkWhole(s, n, v, flaws)
	if id := v.get("id"); id != nil && proof.Reserved(s.kind.Name, strings.ToLower(id.Text), "") && !bad["id"] {
		p.problem(s, id.Pos, "id", BadValue, "the id %s is reserved", quote(id.Text))
	}
	switch s.kind.Name {
	case "routes":
		p.checkRoute(s, v, bad)
	case "upstreams":
		p.checkThresholds(s, v)
	case "cloned_plugins":
		if ref := v.get("ref"); ref != nil && !bad["ref"] && !knownPlugin(ref.Text) {
			p.problem(s, ref.Pos, "ref", DanglingReference, "there is no plugin %s to clone%s", quote(ref.Text), didYouMean(ref.Text, pluginNames()))
		}
	}
}

// checkWhole reports combinations of fields that Kong refuses, unless a reported problem explains them.
func (p *parser) checkWhole(s subject, n *document.Node, v view, flaws []Problem) {
	if !slices.Contains([]string{"services", "routes", "upstreams"}, s.kind.Name) || s.kind.Name == "routes" && v.get("expression") != nil {
		return
	}
	values := make(map[string]any, len(v))
	for _, k := range v {
		values[k.Name] = plainValue(k.Value)
	}
	found := schema.CheckWhole(s.kind.Name, values)
	for i, e := range found {
		if e.Follows || follows(e, flaws) {
			continue
		}
		field, at, message := fieldOf(e.Path), n.Pos, e.Message
		if have := v.get(root(field)); have != nil {
			at = have.Pos
		}
		if i+1 < len(found) && found[i+1].Follows {
			message += ": " + found[i+1].Message
		}
		p.problem(s, at, field, classOf(e.Rule), "%s", message)
	}
}

// plainValue returns a value as kong/schema reads it.
func plainValue(n *document.Node) any {
	switch n.Kind {
	case document.String:
		return n.Text
	case document.Bool:
		return n.Text == "true"
	case document.Int, document.Float:
		return json.Number(n.Text)
	case document.List:
		list := make([]any, len(n.Items))
		for i, e := range n.Items {
			list[i] = plainValue(e)
		}
		return list
	case document.Map:
		values := make(map[string]any, len(n.Keys))
		for _, k := range n.Keys {
			values[k.Name] = plainValue(k.Value)
		}
		return values
	}
	return nil
}

// checkThresholds refuses thresholds of health checks that Kong's schema takes and its workers do not: a gateway answers 201, and no worker
// of it applies the configuration (seen on 3.9.3).
func (p *parser) checkThresholds(s subject, v view) {
	const most = 254
	checks := v.get("healthchecks")
	if checks == nil {
		return
	}
	for _, side := range checks.Keys {
		for _, when := range side.Value.Keys {
			for _, field := range when.Value.Keys {
				threshold := slices.Contains([]string{"successes", "tcp_failures", "http_failures", "timeouts"}, field.Name)
				if threshold && field.Value.Text == strconv.Itoa(most+1) {
					p.problem(s, field.Value.Pos, strings.Join([]string{"healthchecks", side.Name, when.Name, field.Name}, "."), BadValue,
						"must be at most %d: Kong takes %d, and then no worker applies the configuration", most, most+1)
				}
			}
		}
	}
}

func (p *parser) checkRoute(s subject, v view, bad map[string]bool) {
	for i, host := range v.texts("hosts") {
		if name, _, _ := strings.Cut(host, ":"); strings.EqualFold(strings.TrimSuffix(name, "."), reservedHost) {
			p.problem(s, v.get("hosts").Items[i].Pos, "hosts", BadValue, "the host %s is reserved", reservedHost)
		}
	}
	if strings.Contains(v.text("expression"), reservedHost) {
		p.problem(s, v.get("expression").Pos, "expression", BadValue, "the host %s is reserved", reservedHost)
	}
	if priority := v.get("priority"); priority != nil && v.get("expression") != nil && !bad["priority"] && priority.Text == topPriority {
		p.problem(s, priority.Pos, "priority", BadValue,
			"the priority %s is reserved: the route %s of the control plane has it, by which gateways prove what they serve; take a lower one",
			topPriority, reservedName)
	}
	if headers := v.get("headers"); headers != nil {
		for _, h := range headers.Keys {
			if strings.HasSuffix(h.Name, "\n") && len(h.Name) > 1 {
				p.warn(s, h.Pos, "headers", BadValue, "the name of a header ends in a line feed. No header of a request does, so it never matches")
			}
		}
	}
	if v.get("expression") == nil {
		return
	}
	for _, name := range []string{"hosts", "paths", "methods", "headers", "snis", "sources", "destinations"} {
		if f := v.get(name); f != nil {
			p.problem(s, f.Pos, name, BadValue, "an expression excludes the field; keep one of the two")
		}
	}
}
