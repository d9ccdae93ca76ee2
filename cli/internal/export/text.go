package export

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/silverback-gateway/silverback/kit/clean"
)

const written = "# Written by silverback export %s from the registry's roster; changes by hand are lost.\n"

// target is one entry of Prometheus's file_sd_configs.
type target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

func renderPrometheus(members []member, scheme string) []byte {
	targets := []target{}
	for _, m := range members {
		labels := map[string]string{"group": m.group, "node": m.node}
		if scheme != "http" {
			labels["__scheme__"] = scheme
		}
		for name, value := range m.labels {
			labels["__meta_silverback_label_"+labelName(name)] = clean.Line(value, clean.MaxWord)
		}
		targets = append(targets, target{Targets: []string{m.agent.String()}, Labels: labels})
	}
	text, err := json.MarshalIndent(targets, "", "  ")
	if err != nil {
		panic(err) // strings always marshal
	}
	return append(text, '\n')
}

// labelName makes a label name of a node's label: letters, digits and underscores.
func labelName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
}

func renderHAProxy(asked string, members []member, checkCA string, weightOf func(member) string) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, written, "haproxy")
	for _, g := range byGroup(asked, members) {
		fmt.Fprintf(&out, "\nbackend silverback_%s\n", g.name)
		out.WriteString("    balance roundrobin\n    option httpchk GET /readyz\n    http-check expect status 200\n    option redispatch\n    " +
			"retries 2\n    default-server inter 1s fall 2 rise 2\n")
		for _, m := range g.members {
			check := "check port " + m.agent.Port()
			if m.agent.Host() != m.proxy.Host() {
				check = "check addr " + m.agent.Host() + " port " + m.agent.Port()
			}
			if checkCA != "" {
				check += " check-ssl verify required ca-file " + checkCA
			}
			if weight := weightOf(m); weight != "" {
				check = "weight " + weight + " " + check
			}
			fmt.Fprintf(&out, "    server %s %s %s\n", m.node, m.proxy, check)
		}
	}
	return out.Bytes()
}

func renderNginx(asked string, members []member, weightOf func(member) string) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, written, "nginx")
	for _, g := range byGroup(asked, members) {
		name := "silverback_" + g.name
		fmt.Fprintf(&out, "\nupstream %s {\n    zone %s 64k;\n", name, name)
		listed := pick(g.members, func(m member) bool { return m.ready })
		if len(listed) == 0 {
			if listed = pick(g.members, func(m member) bool { return m.served }); len(listed) > 0 {
				out.WriteString("    # No gateway is ready; these once were.\n")
			}
		}
		for _, m := range listed {
			weight := weightOf(m)
			if weight != "" {
				weight = " weight=" + weight
			}
			fmt.Fprintf(&out, "    server %s%s max_fails=1 fail_timeout=5s; # %s\n", m.proxy, weight, m.node)
		}
		if len(listed) == 0 {
			out.WriteString("    # No gateway has served anything yet. nginx wants a server in every upstream.\n    server 127.0.0.1:9 down;\n")
		}
		out.WriteString("}\n")
	}
	return out.Bytes()
}

func pick(members []member, keep func(member) bool) (picked []member) {
	for _, m := range members {
		if keep(m) {
			picked = append(picked, m)
		}
	}
	return picked
}
