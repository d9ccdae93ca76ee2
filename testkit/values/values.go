// Package values reads kong/schema/testdata/values.json: single values, and whether Kong 3.9.3 takes a configuration that holds them. Each
// has its source, a recording under ../shared/kong-contract or a rule of Kong's. kong/schema, the compiler and the simulated gateway are
// tested against the same table.
package values

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A Value is one line of the table.
type Value struct {
	Rule    string          `json:"rule"` // the field, such as service.host
	Value   json.RawMessage `json:"value"`
	Verdict string          `json:"verdict"` // taken or refused
	Source  string          `json:"source"`
}

// String names the value in a message.
func (v Value) String() string {
	return v.Rule + " " + string(v.Value[:min(len(v.Value), 100)]) + " (" + v.Source + ")"
}

// Taken reports whether Kong takes the value.
func (v Value) Taken() bool { return v.Verdict == "taken" }

// forms are the declarative configurations that Kong was given, by rule; %s is the value. A value that is an object is added to the entity
// in whose place {%s} stands.
var forms = map[string]string{
	"service.host":       `{"services":[{"name":"s","host":%s}]}`,
	"service.path":       `{"services":[{"name":"s","host":"h.example","path":%s}]}`,
	"service.protocol":   `{"services":[{"name":"s","host":"h.example","protocol":%s}]}`,
	"service.url":        `{"services":[{"name":"s","url":%s}]}`,
	"service.tags":       `{"services":[{"name":"s","host":"h.example","tags":%s}]}`,
	"service.name":       `{"services":[{"host":"h","name":%s}]}`,
	"route.name":         `{"routes":[{"paths":["/"],"name":%s}]}`,
	"route.hosts":        `{"routes":[{"name":"r","hosts":[%s]}]}`,
	"route.paths":        `{"routes":[{"name":"r","paths":[%s]}]}`,
	"route.paths.regex":  `{"routes":[{"name":"r","paths":[%s]}]}`,
	"route.methods":      `{"routes":[{"name":"r","methods":[%s]}]}`,
	"route.headers":      `{"routes":[{"name":"r","headers":%s}]}`,
	"route.snis":         `{"routes":[{"name":"r","protocols":["https"],"snis":[%s]}]}`,
	"route.protocols":    `{"routes":[{"name":"r","paths":["/x"],"protocols":%s}]}`,
	"route.sources":      `{"routes":[{"name":"r","protocols":["tcp"],"sources":%s}]}`,
	"route.tags":         `{"routes":[{"name":"r","paths":["/x"],"tags":%s}]}`,
	"route.match":        `{"routes":[{"name":"r",{%s}}]}`,
	"upstream.name":      `{"upstreams":[{"name":%s}]}`,
	"upstream.tags":      `{"upstreams":[{"name":"u","tags":%s}]}`,
	"upstream.hash":      `{"upstreams":[{"name":"u",{%s}}]}`,
	"target.target":      `{"upstreams":[{"name":"u","targets":[{"target":%s}]}]}`,
	"consumer.username":  `{"consumers":[{"username":%s}]}`,
	"consumer.custom_id": `{"consumers":[{"custom_id":%s}]}`,
	"consumer.tags":      `{"consumers":[{"username":"c","tags":%s}]}`,
	"keyauth.key":        `{"consumers":[{"username":"c","keyauth_credentials":[{"key":%s}]}]}`,
	"basicauth":          `{"consumers":[{"username":"c","basicauth_credentials":[%s]}]}`,
	"acl.group":          `{"consumers":[{"username":"c","acls":[{"group":%s}]}]}`,
	"vault":              `{"vaults":[%s]}`,

	"service.port":                     `{"services":[{"name":"s","host":"h.example","port":%s}]}`,
	"service.retries":                  `{"services":[{"name":"s","host":"h.example","retries":%s}]}`,
	"service.connect_timeout":          `{"services":[{"name":"s","host":"h.example","connect_timeout":%s}]}`,
	"service.write_timeout":            `{"services":[{"name":"s","host":"h.example","write_timeout":%s}]}`,
	"service.read_timeout":             `{"services":[{"name":"s","host":"h.example","read_timeout":%s}]}`,
	"service.tls_verify_depth":         `{"services":[{"name":"s","host":"h.example","protocol":"https","tls_verify_depth":%s}]}`,
	"service.ca_certificates":          `{"services":[{"name":"s","host":"h.example","protocol":"https","ca_certificates":%s}]}`,
	"route.destinations":               `{"routes":[{"name":"r","protocols":["tcp"],"destinations":%s}]}`,
	"route.https_redirect_status_code": `{"routes":[{"name":"r","paths":["/x"],"https_redirect_status_code":%s}]}`,
	"route.path_handling":              `{"routes":[{"name":"r","paths":["/x"],"path_handling":%s}]}`,
	"upstream.slots":                   `{"upstreams":[{"name":"u","slots":%s}]}`,
	"upstream.algorithm":               `{"upstreams":[{"name":"u","algorithm":%s}]}`,
	"upstream.healthchecks":            `{"upstreams":[{"name":"u","healthchecks":%s}]}`,
	"target.weight":                    `{"upstreams":[{"name":"u","targets":[{"target":"a:80","weight":%s}]}]}`,
	"jwt.algorithm":                    `{"consumers":[{"username":"c","jwt_secrets":[{"key":"k","secret":"s","algorithm":%s}]}]}`,
}

// Config returns the declarative configuration that holds the value.
func (v Value) Config(tb testing.TB) []byte {
	tb.Helper()
	form, ok := forms[v.Rule]
	if !ok {
		tb.Fatalf("%s: unknown rule", v)
	}
	value := string(v.Value)
	if members := strings.TrimSuffix(strings.TrimPrefix(value, "{"), "}"); members == "" {
		form = strings.Replace(form, `,{%s}`, "", 1)
	} else {
		form = strings.Replace(form, `{%s}`, members, 1)
	}
	return []byte(`{"_format_version":"3.0",` + strings.Replace(form, "%s", value, 1)[1:])
}

// Table returns all values.
func Table(tb testing.TB) []Value {
	tb.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			err = os.ErrNotExist
		}
		dir = filepath.Dir(dir)
	}
	var all []Value
	text, readErr := os.ReadFile(filepath.Join(dir, "kong", "schema", "testdata", "values.json"))
	if err == nil && readErr == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil || readErr != nil || len(all) < 250 {
		tb.Fatalf("%d values: %v, %v", len(all), err, readErr)
	}
	return all
}

// NeedsGateway reports whether the verdict rests on the edition or the router flavor of a gateway, or on which vaults it has: rules that
// hold for every gateway do not know it.
func (v Value) NeedsGateway() bool {
	text := string(v.Value)
	switch v.Rule {
	case "route.paths.regex":
		return !v.Taken()
	case "route.paths":
		return strings.Contains(text, `\\1`)
	case "route.headers":
		return strings.Contains(text, "~*(")
	case "service.protocol", "service.url", "route.protocols":
		return strings.Contains(text, "ws")
	case "vault":
		return !v.Taken() && strings.Contains(text, "config") || strings.Contains(text, "hcv")
	}
	return false
}

// NeedsSchemas reports whether the verdict rests on the schema of a vault, or on PCRE beside the router's own engine.
func (v Value) NeedsSchemas() bool {
	text := string(v.Value)
	return v.Rule == "vault" && strings.Contains(text, "config") || strings.Contains(text, "IsGreek")
}
