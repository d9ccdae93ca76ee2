package proxy

import (
	"cmp"
	"slices"

	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/declarative"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/metering"
	"github.com/silverback-gateway/silverback/testkit/kongtest/internal/router"
)

// Table is a configuration as workers use it: routes, the plugins that run for them, and credentials. It is immutable.
type Table struct {
	*router.Router
	plugins   map[string][]*plugin           // by the id of a route or service; global ones under ""
	metered   map[string]*metering.Selection // by the same ids
	keys      map[string]bool                // of key-auth
	owners    map[string]string              // of keys: the consumers' usernames
	passwords map[string]login               // of basic-auth, by username

	certificates map[string]certificate // by SNI
}

// login is a credential of basic-auth.
type login struct{ consumer, owner, hash string }

// Compile makes the table of a configuration. Without Lua, pre-function runs nothing and the client gets an empty reply (F41).
func Compile(set *declarative.Population, flavor string, lua bool) *Table {
	t := &Table{
		Router: router.Compile(set, flavor), plugins: map[string][]*plugin{}, metered: map[string]*metering.Selection{},
		keys: map[string]bool{}, owners: map[string]string{}, passwords: map[string]login{}, certificates: certificatesOf(set),
	}
	usernames := map[string]string{}
	for _, n := range set.ByKind["consumers"] {
		usernames[n.ID] = n.Text("username")
	}
	for _, n := range set.ByKind["keyauth_credentials"] {
		t.keys[n.Text("key")] = true
		t.owners[n.Text("key")] = usernames[set.Target(n, "consumer")]
	}
	for _, n := range set.ByKind["basicauth_credentials"] {
		consumer := set.Target(n, "consumer")
		t.passwords[n.Text("username")] = login{consumer, usernames[consumer], n.Text("password")}
	}
	for _, n := range set.ByKind["plugins"] {
		if set.Target(n, "consumer") != "" {
			continue // runs for no request: requests have no consumer here when plugins are chosen
		}
		scope := cmp.Or(set.Target(n, "route"), set.Target(n, "service"))
		if m := metering.Compile(n); m != nil {
			t.metered[scope] = m
		} else if p := compilePlugin(n, lua); p != nil {
			t.plugins[scope] = append(t.plugins[scope], p)
		}
	}
	return t
}

// scopes are the keys of plugins for a route, the nearest first.
func scopes(to *router.Route) []string {
	if to.Service == nil {
		return []string{to.ID, ""}
	}
	return []string{to.ID, to.Service.ID, ""}
}

// running returns the plugins for a route: of each name the one with the nearest scope, the highest priority first.
func (t *Table) running(to *router.Route) []*plugin {
	var picked []*plugin
	for _, scope := range scopes(to) {
		for _, p := range t.plugins[scope] {
			if !slices.ContainsFunc(picked, func(q *plugin) bool { return q.name == p.name }) {
				picked = append(picked, p)
			}
		}
	}
	slices.SortStableFunc(picked, func(a, b *plugin) int { return b.priority - a.priority })
	return picked
}

// metering returns the prometheus plugin with the nearest scope, or nil.
func (t *Table) metering(to *router.Route) *metering.Selection {
	for _, scope := range scopes(to) {
		if m := t.metered[scope]; m != nil {
			return m
		}
	}
	return nil
}
