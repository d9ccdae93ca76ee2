// Package routes makes configurations of many routes, each about as large as real ones are.
package routes

import (
	"bytes"
	"fmt"
)

// perService is how many routes a service has.
const perService = 10

// A Config is a configuration of N routes, the first of them with the number First. Edit marks the path of one route in its middle: two
// configurations that differ in it alone differ in one route. Salt stands in every host, so that two configurations that differ in it share
// nothing.
type Config struct {
	N     int
	First int
	Edit  int
	Salt  string
}

func (c Config) path(i int) string {
	if i == c.First+c.N/2 && c.Edit > 0 {
		return fmt.Sprintf("/v1/resource-%05d-%d", i, c.Edit)
	}
	return fmt.Sprintf("/v1/resource-%05d", i)
}

// Edited returns the path that Edit marks.
func (c Config) Edited() string { return c.path(c.First + c.N/2) }

// YAML returns it as a Kong declarative file in YAML.
func (c Config) YAML() []byte {
	var b bytes.Buffer
	b.WriteString("_format_version: \"3.0\"\nservices:\n")
	for n := range c.N {
		i := c.First + n
		if n%perService == 0 {
			fmt.Fprintf(&b, "- name: service-%05d\n  url: http://backend-%05d.internal:8080/base\n  retries: 3\n  tags: [team-%d]\n  routes:\n",
				i/perService, i/perService, i%7)
		}
		fmt.Fprintf(&b, "  - name: route-%05d\n    hosts:\n    - api-%05d%s.example.com\n    paths:\n    - %s\n    - /v2/resource-%05d\n    "+
			"methods: [GET, POST]\n"+
			"    strip_path: false\n    preserve_host: true\n    tags: [team-%d, prod]\n", i, i, c.Salt, c.path(i), i, i%7)
	}
	return b.Bytes()
}

// JSON returns it as a Kong declarative file in JSON.
func (c Config) JSON() []byte {
	var b bytes.Buffer
	b.WriteString("{\"_format_version\": \"3.0\",\n\"services\": [")
	for n := range c.N {
		i := c.First + n
		if n%perService == 0 {
			if n > 0 {
				b.WriteString("]},")
			}
			fmt.Fprintf(&b, "\n{\"name\": \"service-%05d\", \"url\": \"http://backend-%05d.internal:8080/base\", \"retries\": 3, \"tags\": "+
				"[\"team-%d\"], \"routes\": [", i/perService, i/perService, i%7)
		} else {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "\n  {\"name\": \"route-%05d\", \"hosts\": [\"api-%05d%s.example.com\"], \"paths\": [%q, \"/v2/resource-%05d\"], "+
			"\"methods\": [\"GET\", \"POST\"], "+
			"\"strip_path\": false, \"preserve_host\": true, \"tags\": [\"team-%d\", \"prod\"]}", i, i, c.Salt, c.path(i), i, i%7)
	}
	if c.N > 0 {
		b.WriteString("]}")
	}
	b.WriteString("]}\n")
	return b.Bytes()
}
